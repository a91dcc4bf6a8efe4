# SPDX-License-Identifier: MIT
"""
The pcache under everything at once: pcache_stress with the debug kernels, which check lock ranks and the cache's invariants,
over geometries from two sets up. A minute in `make check`; the selection of case_long takes half an hour.
"""

import os
import re
import subprocess

from cases import each
from testbed import BUILD, ROOT


def debug_kernels(bed):
    """The run's kernels are those of the debug build; all else is the ordinary build's."""
    folder = os.path.join(BUILD, "debug")
    subprocess.run(["make", "--no-print-directory", "-j2", "O=" + os.path.relpath(folder, ROOT), "DEBUG=y", "kernel"], cwd=ROOT,
                   check=True, stdout=subprocess.DEVNULL)
    for name in ("images", "tools", "user", "data"):
        link = os.path.join(folder, name)
        if not os.path.lexists(link):
            os.symlink(os.path.join("..", name), link)
    bed.env["TANGRAM_BUILD"] = folder


def stress(bed, seconds, seed, size, ways, victim, policy, more=()):
    debug_kernels(bed)
    result = bed.run("/bin/pcache_stress", str(seconds), str(seed), timeout=6 * seconds + 150,
                     options=["--cpus", "4", "--env", "TMPDIR=/data", "--pcache", size, "--ways", str(ways), "--victim", str(victim), "--policy", policy, *more])
    assert result.out.startswith(b"pcache_stress: OK read "), result.out
    deeds = {name: int(times) for name, times in re.findall(rb" (\w+) (\d+)", result.out)}
    assert len(deeds) >= 17 and all(times for name, times in deeds.items() if name not in (b"fault", b"thread")), deeds
    return result


# 64K with 8 ways: two sets. Each policy and each size of victim cache once.
GEOMETRIES = (("64K", 8, 1, "random"), ("1M", 1, 0, "clock"), ("2M", 8, 8, "lru"), ("256K", 4, 8, "fifo"))


@each({"%s-w%d-v%d-%s" % geometry: geometry for geometry in GEOMETRIES}, limit=450)
def pcache_stress(bed, geometry):
    """Every other one with all trace points on, which shift the moments at which things meet (lesson: L38), and without turns."""
    number = GEOMETRIES.index(geometry) + 1
    stress(bed, 15, number, *geometry, more=["--append", "all:trace=all", "--append", "P:pcache.turns=0"] if number % 2 == 0 else [])


@each({"1": 1, "0": 0}, limit=330)
def back_pressure(bed, victim):
    """
    Nothing M says reaches P in less than 50 ms, and one victim entry takes all that is written: programs get slow and stay
    right (lesson: L15). Every write-back waits for the one before it; no fault gives up.
    """
    result = bed.run("/bin/memtest", "1", "4", "1", timeout=300,
                     options=["--cpus", "2", "--pcache", "256K", "--ways", "8", "--victim", str(victim),
                              "--faults", "delay=1:50ms,from=2,to=1"])
    assert re.search(rb"(?m)^memtest: OK", result.out), result.out
    flushes, waits = result.counter("nr_victim_flush_async_run"), result.counter("nr_pcache_eviction_failure_evict")
    print("%.1f s, %d write-backs, %d waits for the entry" % (result.facts["guest_seconds"], flushes, waits))
    assert flushes > 50 and waits > 0
    assert result.facts["guest_seconds"] > flushes * 0.05, "M was not slow"
    assert result.counter("nr_pgfault_failed") == 0 and result.counter("nr_fit_timeouts") == 0


# The smallest are two sets of eight. Smaller ones are right as well, but a busy host hardly gets them beyond their first instructions.
# Half an hour: twelve times 150 s of the program's own clock, every policy with every size of victim cache.
LONG = (("64K", 8, 0, "lru"), ("64K", 8, 1, "fifo"), ("256K", 4, 8, "clock"), ("1M", 1, 1, "random"), ("4M", 8, 8, "lru"),
        ("128K", 16, 0, "fifo"), ("128K", 2, 0, "clock"), ("512K", 16, 0, "random"), ("2M", 64, 1, "clock"), ("64K", 8, 8, "random"),
        ("1M", 2, 1, "lru"), ("8M", 8, 8, "fifo"))


@each({"%s-w%d-v%d-%s" % geometry: geometry for geometry in LONG}, limit=1300, part="pcache-stress")
def long_pcache_stress(bed, geometry):
    number = LONG.index(geometry)
    stress(bed, 150, 100 + number, *geometry, more=["--append", "P:pcache.turns=0"] if number % 2 == 0 else [])
