# SPDX-License-Identifier: MIT
"""
What the nodes say of themselves once no program is left: their counters at rest, and their accounting, of which some values
must be zero.
"""

import time

# Names in a node's accounting (`acct`) that must be zero once every program is gone and the caches of objects are dropped: those
# that count things a program holds. Documentation/counters.md marks the same ones.
HELD = {
    "processor": ("processes", "spaces", "lines_live", "owners_live", "victim_live", "reserve_out", "objects"),
    "memory": ("spaces", "vmas", "frames_private", "objects", "commit"),
    "storage": (),
}
# What files in tmpfs hold: they stay until power-off, and so do these.
KEPT_BY_FILES = (("processor", "objects"), ("memory", "objects"), ("memory", "frames_private"), ("memory", "commit"))
# Where the caches of objects stay, a set that holds their pages may have lines beyond its ways.
KEPT_BY_CACHES = (("processor", "reserve_out"),)
QUIET_SECONDS = 3.0             # for two readings of the counters to agree
NEVER_QUIET = ("nr_net_", "nr_eth_", "nr_roce_", "nr_fit_pings")       # nodes ping each other at rest, too


def held(role, accounting, files_kept=0, caches_kept=False):
    """{name: value} of what is still held there; a value that the node does not tell is held, too."""
    kept = (KEPT_BY_FILES if files_kept else ()) + (KEPT_BY_CACHES if caches_kept else ())
    out = {}
    for name in HELD[role]:
        value = accounting.get(name)
        if value is None or value != 0 and (role, name) not in kept:
            out[name] = value
    return out


def settle(cluster, caches_kept=False, seconds=3.0):
    """
    The accounting of all nodes once it balances, and what does not: ({role: accounting}, [text]). What ends on its own
    (a last message on its way to the memory node) gets a little time.
    """
    deadline = time.monotonic() + seconds
    while True:
        accounting = {role: cluster.ask(role, "acct") for role in cluster.nodes}
        kept = accounting.get("processor", {}).get("files_kept", 0)
        wrong = ["%s node: %s %s" % (role, name, value) for role, values in accounting.items()
                 for name, value in held(role, values, kept, caches_kept).items()]
        if not wrong or time.monotonic() > deadline:
            return accounting, wrong
        cluster.pause(0.1)


def counters_at_rest(cluster):
    """{role: {name: value}}: read again until two readings agree, so that nothing was in progress while they were read."""
    deadline = time.monotonic() + QUIET_SECONDS
    before = None
    while True:
        counters = {role: cluster.ask(role, "counters") for role in cluster.nodes}
        quiet = {role: {name: value for name, value in values.items() if not name.startswith(NEVER_QUIET)}
                 for role, values in counters.items()}
        if quiet == before or time.monotonic() > deadline:
            return counters
        before = quiet
        cluster.pause(0.02)


def gather(cluster, how="drop-caches"):
    """
    ({role: {"counters", "counters_by_cpu", "accounting"}}, [what does not balance]) of a cluster on which no program runs. how: what
    the nodes are told before: "balance" leaves what is cached of closed files.
    """
    for role in ("processor", "memory") if how == "drop-caches" else ("processor",):
        cluster.tell(role, how)
    accounting, wrong = settle(cluster, how == "balance")
    counters = counters_at_rest(cluster)
    facts = {}
    for role in cluster.nodes:
        by_cpu = cluster.ask(role, "cpu-counters")
        facts[role] = {"counters": counters[role], "accounting": accounting[role], "latency": cluster.ask(role, "latency"),
                       "counters_by_cpu": {name: [cpus.get(cpu, 0) for cpu in range(max(cpus) + 1)]
                                           for name, cpus in by_cpu.items()}}
    facts["processor"]["pcache"] = cluster.ask("processor", "pcache")
    return facts, wrong
