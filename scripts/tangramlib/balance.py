# SPDX-License-Identifier: MIT
"""
What must be zero when no program is left. A node's accounting (`acct`) has numbers that only tell (free_frames,
cached_...) and numbers that count things a program holds; these are the latter.
"""

import time

# Names in a node's accounting that must be zero once every program is gone and the caches of objects are dropped.
HELD = {
    "processor": ("lines_live", "owners_live", "victim_live", "pins_live", "spaces", "vmas", "processes"),
    "memory": ("spaces", "vmas", "frames_private", "objects"),
    "storage": (),
}


def held(role, accounting):
    """{name: value} of what is still held there."""
    return {name: accounting[name] for name in HELD[role] if accounting.get(name, 0) != 0}


def settle(cluster, seconds=3.0):
    """
    The accounting of all nodes once it balances, and what does not: ({role: accounting}, [text]). What ends on its own
    (a last message on its way to the memory node) gets a little time.
    """
    deadline = time.monotonic() + seconds
    while True:
        accounting = {role: cluster.ask(role, "acct") for role in cluster.nodes}
        kept = accounting.get("processor", {}).get("files_kept", 0)     # in tmpfs: they stay until power-off
        wrong = ["%s node: %s %s" % (role, name, value) for role, values in accounting.items()
                 for name, value in held(role, values).items() if (role, name, value) != ("memory", "objects", kept)]
        if not wrong or time.monotonic() > deadline:
            return accounting, wrong
        pause = time.monotonic() + 0.1
        cluster.wait(lambda: time.monotonic() > pause)
