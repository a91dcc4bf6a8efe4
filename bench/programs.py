# SPDX-License-Identifier: MIT
"""
What Debian's programs take from exec to exit (user/tests/run_time.c), here and on a Linux VM that has the same files on the same kind of
disk: one CPU each, in turns. Nothing but run_time, a static program, has run in a machine before its first run, so that no cache of its
nodes has anything.
"""

import os
import re
import statistics
import subprocess

from linux import Linux
from measure import BUILD, ROOT, run

RUN_TIME = os.path.join(BUILD, "user", "run_time")
# Scripts of one line each: the Linux VM's shell takes a line at a time.
PIPELINE = ("cd /usr/share && find . -type f | sort | head -n 300 | sed 's/^..//' | grep -v '~' | cut -d / -f 1 | uniq -c | sort -rn | "
            "awk '{ print $2, $1 }' | tr a-z A-Z | tee /tmp/list | wc -l && cat /tmp/list > /dev/null")
COMPILE = """printf '#include <stdio.h>\\nint main(void) { return puts("hello") < 0; }\\n' > /tmp/hello.c && gcc -O -o /tmp/hello /tmp/hello.c && /tmp/hello"""
REDIS = ("cd /tmp && redis-server --port 7777 --save '' --daemonize yes > /dev/null && until redis-cli -p 7777 ping > /dev/null 2>&1; do "
         "sleep 0.05; done; redis-benchmark -p 7777 -n 1000 -c 10 -q -t set,get > /tmp/said; redis-cli -p 7777 shutdown nosave; "
         "test -s /tmp/said")
SQLITE = ("rm -f /tmp/t.db; sqlite3 /tmp/t.db 'create table t (a integer primary key, b text)' && for i in 1 2 3 4 5; do "
          "echo 'insert into t (b) with recursive c(x) as (select 1 union all select x + 1 from c where x < 400) select hex(x * 7919) from c;'; "
          "done | sqlite3 /tmp/t.db && test $(sqlite3 /tmp/t.db 'select count(*) from t') = 2000")
# what, image, program, turns, runs in a boot, what is wanted
PROGRAMS = (
    ("python3 hello", "debian", ("/usr/bin/python3", "-c", 'print("hello")'), 9, 2, "<= 1.5 times Linux"),
    ("a pipeline of 13 programs", "debian", ("/bin/bash", "-c", PIPELINE), 3, 2, ""),
    ("gcc hello.c, and run it", "debian-dev", ("/bin/bash", "-c", COMPILE), 3, 2, ""),
    ("redis-benchmark: 2000 requests, the server's start and end", "debian", ("/bin/bash", "-c", REDIS), 3, 2, ""),
    ("sqlite3: 2000 inserts in five transactions", "debian", ("/bin/bash", "-c", SQLITE), 3, 2, ""),
)


def image(name):
    return os.path.join(BUILD, "images", name + ".img")


def quoted(words):
    return " ".join("'%s'" % word.replace("'", "'\\''") for word in words)


def seconds(text):
    return [int(ns) / 1e9 for ns in re.findall(r"run_time (\d+) 0", text)]


def here(which, program, runs):
    """(seconds of each run, RPCs of the processor node)"""
    out, facts = run("/usr/bin/run_time", str(runs), *program, timeout=600,
                     options=["--image", which, "--cpus", "1", "--pcache", "6M", "--add", RUN_TIME + "=/usr/bin/run_time"])
    return seconds(out), {op: values["calls"] for op, values in facts["nodes"]["processor"]["latency"].items()}


def there(which, program, runs):
    disk = ["-drive", "file=%s,format=raw,if=none,id=disk,snapshot=on" % image(which), "-device", "virtio-blk-pci,drive=disk"]
    with Linux(*disk) as linux:
        linux.run("mkdir -p /mnt && mount -t ext4 /dev/vda /mnt && mount -t tmpfs tmp /mnt/tmp && mount -t proc proc /mnt/proc && "
                  "mount -o bind /dev /mnt/dev && cp /usr/bin/run_time /mnt/tmp && ip link set lo up", 60)
        return seconds(linux.run("PATH=/usr/bin:/bin chroot /mnt " + quoted(["/tmp/run_time", str(runs), *program]), 600))


def program_rows(rows, what, which, program, turns, runs, wanted):
    ours, theirs, calls, load = [], [], {}, []
    for _ in range(turns):
        times, calls = here(which, program, runs)
        ours.append(times)
        theirs.append(there(which, program, runs))
        load.append(os.getloadavg()[0])
    if not all(len(times) == runs for times in ours + theirs):
        raise RuntimeError("%s: a run failed" % what)
    most = sorted(calls.items(), key=lambda call: -call[1])[:6]
    for at, words in enumerate(("the first", "the second")[:runs]):
        mine, linux = (statistics.median(times[at] for times in side) for side in (ours, theirs))
        note = "Linux %.2f s: %.2f times; median of %d, load %.0f" % (linux, mine / linux, turns, statistics.median(load))
        note += "; " + wanted if wanted and at == 0 else ""
        note += "; RPCs of both: " + ", ".join("%d %s" % (n, op) for op, n in most) if at == 1 else ""
        rows.append(("%s, %s run in a boot" % (what, words), mine, "s", note))


def programs(rows):
    """TANGRAM_BENCH_PROGRAMS: a pattern for some of them."""
    subprocess.run(["make", "-s", "O=" + BUILD, "debian-image", "debian-dev-image"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    for one in PROGRAMS:
        if re.search(os.environ.get("TANGRAM_BENCH_PROGRAMS", ""), one[0]):
            program_rows(rows, *one)


PARTS = (programs,)
