# SPDX-License-Identifier: MIT
"""
Debian's stress-ng, which checks what it does: two of each stressor at a time, one boot for all. In `make check` two seconds each
with sizes of which something is done in that time; twenty each with its own sizes in `make check-long PART=stress-ng`.
"""

import re

from cases import each

STRESSORS = ("vm", "fork", "mremap", "mmap", "pipe", "futex", "signal", "switch", "clone", "brk", "stack", "madvise", "msync", "shm",
             "poll", "epoll", "timer")
# A round of each is to be done in a moment; a stressor without an option takes what it likes.
SMALL = {"vm": "8M", "mremap": "8M", "mmap": "8M", "msync": "2M", "shm": "1M"}
# A round of these takes as long as it takes: they do two, in no certain time.
ROUNDS, LONG_ROUNDS = {"madvise": 2}, {"vm": 2, "mmap": 2, "mremap": 2}
ONE = "echo '== {name}'; timeout {limit} stress-ng --{name} 2 {size} {time} --verify --metrics-brief --temp-path /tmp; echo \"status $?\"\n"


def stress_ng(bed, stressors, seconds, cpus, pcache, sizes, limit, more=(), rounds=None):
    """rounds: of those that do so many, however long it takes; the others do what they can in the seconds."""
    rounds = rounds or (ROUNDS if sizes else LONG_ROUNDS)
    times = {name: "-t 300 --%s-ops %d" % (name, nr) for name, nr in rounds.items()}
    script = "exec 2>&1\n" + "".join(ONE.format(name=name, time=times.get(name, "-t %d" % seconds),
                                                limit=320 if name in times else 20 * seconds + 100,
                                                size="--%s-bytes %s" % (name, sizes[name]) if name in sizes else "")
                                     for name in stressors)
    result = bed.run("/bin/bash", "-c", script, timeout=limit,
                     options=["--image", "debian-stress", "--cpus", str(cpus), "--pcache", pcache, "--memory", "384M",
                              "--mem-memory", "1G", "--env", "PATH=/usr/bin", *more])
    parts = re.split(r"(?m)^== ", result.out.decode())[1:]
    assert [part.split("\n", 1)[0] for part in parts] == list(stressors), result.out[-1000:]
    for name, part in zip(stressors, parts):
        done = re.search(r"(?m)^stress-ng: metrc: \[\d+\] %s +(\d+) " % name, part)
        print(name, done and done.group(0))
        assert done and int(done.group(1)) > 0 and "skip" not in part, part
        assert re.search(r"(?m)^status 0$", part) and "successful run completed" in part, part
        assert not re.search(r"(?m)^(stress-ng: )?(fail|error|warn):|failures reached", part), part


# In `make check` each once: every other one with 4 CPUs. The cache is a quarter of the 8 MiB that the larger ones touch.
@each({"2": 2, "4": 4}, limit=600)
def stress_ng_short(bed, cpus):
    stress_ng(bed, STRESSORS[cpus == 4::2], 2, cpus, "2M", SMALL, 500)


@each({"2": 2, "4": 4}, limit=1700, part="stress-ng")
def long_stress_ng(bed, cpus):
    stress_ng(bed, STRESSORS, 20, cpus, "64M", {}, 1600)
