# SPDX-License-Identifier: MIT
"""What the cache keeps, fetches ahead and does not ask for: seen in the counters of whole runs."""

import json

from cases import case


def counters_of(bed, cluster, *program, name="exec"):
    facts = bed.path(name + ".json")
    done = bed.tangram("exec", "--quiet", "--timeout", "80", "--json", facts, cluster, "--", *program)
    assert done.status == 0, done.err
    with open(facts) as file:
        nodes = json.load(file)["nodes"]
    return {**nodes["processor"]["counters"], **{"acct_" + name: value for name, value in
                                                 nodes["processor"]["accounting"].items()}}


@case(limit=150)
def text_is_fetched_once(bed):
    """The pages of a program's file stay when it ends: the next run hits them, and the balance holds without dropping them."""
    bed.tangram("up", "--quiet", "--name", "kept", "--log-dir", bed.path("log"))
    try:
        first, second = (counters_of(bed, "kept", "/bin/word_count", "/data/text") for _ in range(2))
    finally:
        bed.tangram("down", "kept")
    fills = [first["nr_pcache_fill_from_memory"], second["nr_pcache_fill_from_memory"] - first["nr_pcache_fill_from_memory"]]
    print("fills from memory", fills, "kept pages hit", second["nr_pcache_kept_hit"], "cached", second["acct_lines_cached"])
    assert second["nr_pcache_object_revived"] >= 1 and second["nr_pcache_kept_hit"] >= 30
    assert fills[1] + 40 <= fills[0], fills
    assert second["acct_lines_cached"] >= 30 and second["acct_lines_live"] == 0
