# SPDX-License-Identifier: MIT
"""What the cache says of itself: kinds of misses, what other caches would have hit, and its fills against the bare round trip."""

from cases import case

CAME = ("nr_pcache_fill_zerofill", "nr_pcache_fill_from_memory", "nr_pcache_fill_from_victim", "nr_pgfault_wp_cow",
        "nr_pcache_prefetch_useful", "nr_pcache_prefetch_late")
FETCHED = ("nr_pcache_fill_from_memory", "nr_pcache_prefetch_useful", "nr_pcache_prefetch_late")


@case(limit=200)
def shadow_sets(bed):
    """With all sets sampled every page that came is known, by its kind; and the simulated cache that is like the real one says the same."""
    result = bed.run("/bin/word_count", "/data/text", options=["--pcache", "1536K", "--ways", "8", "--append", "P:pcache.shadow=1"])
    counters, facts = result.node("processor")["counters"], result.node("processor")["pcache"]
    print(facts, {name: value for name, value in counters.items() if "shadow" in name})
    missed = counters["nr_shadow_miss"]
    assert missed == sum(counters[name] for name in CAME), {name: counters[name] for name in CAME}
    assert facts["shadow.sampled_sets"] == facts["pcache.sets"] == 48 and facts["shadow.missed"] == missed
    assert counters["nr_shadow_compulsory"] >= counters["nr_pcache_fill_zerofill"] // 2
    assert counters["nr_shadow_capacity"] > 0 and counters["nr_shadow_conflict"] > 0 and counters["nr_shadow_touch"] > 0
    assert counters["nr_shadow_sim_lru"] == counters["nr_shadow_sim_ways_8"]
    # the real one has lines of the reserve besides, and knows of uses by accessed bits alone
    assert missed * 2 // 3 <= counters["nr_shadow_sim_lru"] <= missed * 3 // 2, (missed, counters["nr_shadow_sim_lru"])
    assert counters["nr_shadow_sim_full"] <= counters["nr_shadow_sim_ways_1"]

    result = bed.run("hello", options=["--append", "P:pcache.shadow=0"])
    counters, facts = result.node("processor")["counters"], result.node("processor")["pcache"]
    assert not any(value for name, value in counters.items() if "shadow" in name)
    assert facts["shadow.sampled_sets"] == 0 and "shadow.missed" not in facts


@case(limit=150)
def cache_reports(bed):
    """/proc/pcache: geometry, policy, shadow sets, fills, then every counter; --json has the same facts."""
    result = bed.run("/bin/sh", "-c", "seq 1 40000 | sort -r | tail -1; cat /proc/pcache", options=[
        "--image", "debian", "--env", "PATH=/usr/bin", "--pcache", "3M", "--ways", "12", "--victim", "16",
        "--policy", "clock"])
    first, *lines = result.out.decode().splitlines()
    shown = dict(line.split(": ") for line in lines)
    assert first == "1" and len(shown) == len(lines)
    facts = result.node("processor")["pcache"]
    print(facts)
    assert [shown["pcache." + name] for name in ("size_kib", "sets", "ways", "victim", "policy", "prefetch")] == \
        ["3072", "64", "12", "16", "clock", "adaptive"]
    assert int(shown["shadow.sampled_sets"]) == 8 and "shadow.ways_8.hit_permille" in shown
    assert 0 <= int(shown["shadow.full.hit_permille"]) <= 1000
    assert {name for name in result.node("processor")["counters"]} <= set(shown) and set(facts) <= set(shown)
    assert 998 <= sum(facts["shadow.%s_permille" % kind] for kind in ("compulsory", "capacity", "conflict")) <= 1002

    counters = result.node("processor")["counters"]
    pages = sum(counters[name] for name in FETCHED)
    assert facts["fill.pages"] == pages > 0 and facts["fill.ns"] == counters["nr_pcache_fill_ns"] > 0
    assert facts["fill.round_trip_ns"] > 0
    assert facts["fill.distance_percent"] == facts["fill.ns"] * 100 // (pages * facts["fill.round_trip_ns"])
