# SPDX-License-Identifier: MIT
"""System calls around processes, signals and time: each program says the same on this machine's Linux and on Tangram."""

import difflib
import os
import re
import signal
import subprocess

from case_stress import debug_kernels
from cases import case, each
from testbed import BUILD, ROOT


def on_linux(words):
    done = subprocess.run([os.path.join(BUILD, "user", words[0])] + words[1:], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100)
    return done.returncode, done.stdout


@each({"timers": "timers", "identity": "identity", "vdso": "vdso", "signal-details": "signal_details", "pi-mutex": "pi_mutex",
       "bad-args": "bad_args", "limits": "limits",
       "populate": "populate", "epoll-nested": "epoll_nested", "timerfd-short": "timerfd_short", "text-busy": "text_busy", "pidfd": "pidfd", "locked-memory": "locked_memory",
       "kcmp": "kcmp", "semantics": "semantics", "sysvipc": "sysvipc", "inotify": "inotify", "no-name": "no_name", "file-times": "file_times", "tracing": "tracing"})
def call(bed, line):
    """On kernels that check themselves: a call that lets go of something twice is seen at the end."""
    debug_kernels(bed)
    words = line.split()
    status, out = on_linux(words)
    assert status == 0, "the program is wrong on Linux: %r" % out
    result = bed.run("/bin/" + words[0], *words[1:])
    assert result.out == out, (result.out, out)


@case()
def ordinary_user(bed):
    """What calls say to a user without rights, whoever runs the tests: one cluster for all programs, of the kernels that check themselves."""
    debug_kernels(bed)
    words = ["several", "names", "settings", "mqueue", "corners", "proc_self", "holes", "async_io", "leases", "bounds", "seccomp", "net_rights", "datagrams", "urgent", "memory_calls", "file_details"]
    status, out = on_linux(words)
    assert status == 0, "a program is wrong on Linux: %r" % out
    result = bed.run("/bin/" + words[0], *words[1:])
    assert result.out == out, "".join(difflib.unified_diff(out.decode().splitlines(True), result.out.decode().splitlines(True), n=0))


@case()
def root_of_the_machine(bed):
    """What only root may do; on the host nobody should."""
    assert b"bounds: OK" in bed.run("/bin/bounds", "root", options=["--cpus", "2"]).out


@case()
def splices_that_wait(bed):
    """Meanwhile others use the pipe, and nothing is lost. On Linux they would wait, too."""
    debug_kernels(bed)
    for what in ("splices",), ():
        assert b"semantics: OK" in bed.run("/bin/semantics", *what).out


@each({"power-off": "0x4321fedc", "restart": "0x01234567"})
def reboot(bed, command):
    """All nodes end in order, and what was written is on the disk; the program ends as all others then do."""
    result = bed.run("/bin/bounds", "reboot", command, status=None, options=["--get", "/data/left=" + bed.path("left")])
    assert result.status == 128 + signal.SIGTERM and "powered off by a program" in result.err, (result.status, result.err)
    assert bed.read("left") == b"behind\n"


@case()
def calls_that_a_host_may_lack(bed):
    """Mounts, kernel AIO, memory policies: each program has passed on Linux, where it is allowed and there; here it must."""
    names = ["mounts", "aio", "mempolicy", "cores"]
    status, out = on_linux(["several"] + names)
    assert status == 0, "a program is wrong on Linux: %r" % out
    assert bed.run("/bin/several", *[name + ":must" for name in names]).out == out


@case()
def semaphore_sets_come_and_go(bed):
    """One program removes more sets than memory has room for what it was to undo in them."""
    assert b"sysvipc: OK" in bed.run("/bin/sysvipc", "sets").out


@case()
def clock_is_set(bed):
    """An hour ahead and back: who waits for a time of day follows, who waits for a while does not. Nothing to do on the host."""
    assert b"no_name: OK" in bed.run("/bin/no_name", "set-clock").out


@case()
def inotify_on_disk(bed):
    """As call-inotify, in a folder of the storage node."""
    result = bed.run("/bin/inotify", "/data")
    assert result.out == on_linux(["inotify"])[1], result.out


@case()
def stat_is_fresh(bed):
    """Attributes are kept on the processor node, and no change of this node's is missed (between nodes: managers/storage/service_test.c)."""
    result = bed.run("/bin/stat_fresh", "/data")
    assert result.out == on_linux(["stat_fresh", bed.folder])[1], result.out
    assert result.node("processor")["latency"]["storage_getattr"]["calls"] < 1000
    assert result.counter("nr_storage_lease_waits", "storage") == 0


@case()
def names_change_under_each_other(bed):
    """What a thread does to a name while another's change of it is under way, on the disk. On Linux only root may have such threads."""
    assert b"name_races: OK" in bed.run("/bin/name_races", "/data", options=["--cpus", "2"]).out


@case()
def file_rights(bed):
    """Who may do what to others' files. On the host only root can become others and see."""
    result = bed.run("/bin/file_rights")
    assert b"file_rights: OK" in result.out
    if os.getuid() == 0:
        assert result.out == on_linux(["file_rights"])[1], result.out


@case(limit=400)
def ten_thousand_processes(bed):
    """All gone at the end, numbers reused, nothing kept on P or M (lesson: L42)."""
    result = bed.run("/bin/processes", "10000", timeout=360)
    assert b"processes: OK" in result.out, result.out
    nodes = result.facts["nodes"]
    for name in ("processes", "spaces", "lines_live", "owners_live", "victim_live", "commit_reserved"):
        assert nodes["processor"]["accounting"][name] == 0, (name, nodes["processor"]["accounting"])
    for name in ("spaces", "vmas", "frames_private", "commit"):
        assert nodes["memory"]["accounting"][name] == 0, (name, nodes["memory"]["accounting"])


@case()
def cost_of_calls(bed):
    """No bar: the figures are for the reader, with a clock that counts instructions (scripts/qemu-icount)."""
    result = bed.run("/bin/call_cost", "200")
    assert b"call_cost: OK" in result.out, result.out
    print(result.out.decode())


@case()
def calls_that_are_missing(bed):
    """Each answers ENOSYS and is named in the log, once, however often it is called."""
    with open(os.path.join(ROOT, "managers", "processor", "syscall", "table.h")) as file:
        missing = re.findall(r"X\((\d+), (\w+)\)", file.read().split("#define SYSCALLS_MISSING", 1)[1])
    names = dict(missing[:1] + missing[-1:] + [("511", "unknown")])
    script = "for (1..3) { for $n (@ARGV) { $! = 0; $r = syscall($n + 0, 0, 0, 0, 0, 0, 0); print \"$n $r \", $! + 0, \"\\n\" } }"
    result = bed.run("/usr/bin/perl", "-e", script, *names, options=["--image", "debian"])
    assert result.out.decode().splitlines() == ["%s -1 38" % number for number in names] * 3, result.out
    with open(bed.path("run1/processor.log")) as file:
        said = re.findall(r"perl: system call (\d+) \((\w+)\) is not there: ENOSYS", file.read())
    assert len(set(said)) == len(said) and set(names.items()) <= set(said), said
