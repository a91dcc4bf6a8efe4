# SPDX-License-Identifier: MIT
"""What goes wrong in a cluster ends with one clear line and status 125, never a hang; a full disk is the program's to hear of."""

import os
import re
import subprocess

from case_stress import debug_kernels
from cases import PATIENCE, case, each
from testbed import BUILD, TOOL


def fails(bed, text, *options, program=("hello",), status=125):
    """A run that must end by itself, with one line that says why: at its time limit the line and the status are others."""
    result = bed.run(*program, options=["--quiet", *options], timeout=60, status=status)
    assert result.err.count("\n") == 1, result.err
    assert re.search(text, result.err), (text, result.err)
    bed.assert_nothing_left(1)
    return result


@each({
    "beyond-memory": ("does not fit in a processor node", ["--pcache", "256M", "--memory", "128M"]),
    "no-room-for-the-kernel": ("pcache.size=.* does not fit", ["--pcache", "120M", "--memory", "128M"]),
    "no-room-for-the-kernel-small": ("pcache.size=.* does not fit", ["--pcache", "8M", "--memory", "28M"]),
    "one-page": ("not a whole number of sets", ["--pcache", "4K", "--ways", "1"]),
    "not-pages": ("not a whole number of sets", ["--pcache", "16385", "--ways", "1"]),
    "sets-do-not-divide": ("not a whole number of sets of 7 pages", ["--ways", "7"]),
    "ways-beyond-size": ("not a whole number of sets of 64 pages", ["--pcache", "128K", "--ways", "64"]),
    "ways-beyond-limit": ("pcache.ways=4096: not a value from 1 to 1024", ["--append", "P:pcache.ways=4096"]),
    "victims-beyond-limit": ("pcache.victim=65537: not a value from 0 to 65536", ["--append", "P:pcache.victim=65537"]),
    "nonsense": ("pcache.victim=many", ["--append", "P:pcache.victim=many"]),
}, limit=90)
def bad_cache(bed, choice):
    text, options = choice
    fails(bed, text, *options)


@each({
    "no-peers": ("fit.peers=.* cannot be read", ["--append", "P:fit.peers=nonsense"]),
    "fourth-node": ("processor node is not ready .*waiting for node-4",
                    ["--append", "P:fit.peers=2:10.77.0.2,3:10.77.0.3,4:10.77.0.4"]),
    "other-key": ("memory node is not ready .*waiting for node-1", ["--append", "M:fit.key=other"],
                  {"processor": [r"refused 10\.77\.0\.2: it does not have the cluster's key"],
                   "memory": [r"node 1: it refused this node, which does not have the cluster's key"]}),
    "same-number": ("processor node is not ready .*waiting for node-3", ["--append", "S:fit.node=2 fit.peers=1:10.77.0.1"],
                    {"processor": [r"refused 10\.77\.0\.3: it uses the node id of another node"],
                     "memory": [r"node 3: it refused this node, which uses the node id of another node"],
                     "storage": [r"node 1: it refused this node, which uses the node id of another node",
                                 r"refused 10\.77\.0\.2: it uses the node id of another node"]}),
    # nobody asks it, since who it says it is is elsewhere: it asks itself
    "lower-number": ("processor node is not ready .*waiting for node-2", ["--append", "M:fit.node=1 fit.peers=3:10.77.0.3"],
                     {"processor": [r"node 2: it refused this node, which uses the node id of another node"],
                      "memory": [r"node 3: it refused this node, which uses the node id of another node",
                                 r"refused 10\.77\.0\.1: it uses the node id of another node"],
                      "storage": [r"refused 10\.77\.0\.2: it uses the node id of another node"]}),
    "other-version": ("memory node is not ready .*waiting for node-1", ["--append", "M:debug.version=1"],
                      {"processor": [r"refused 10\.77\.0\.2: it speaks another FIT version"],
                       "memory": [r"node 1: it refused this node, which speaks another FIT version",
                                  r"refused 10\.77\.0\.3: it speaks another FIT version"],
                       "storage": [r"node 2: it refused this node, which speaks another FIT version"]}),
    "other-protocol": ("memory node is not ready .*waiting for node-1", ["--append", "M:debug.protocol=1"],
                       {"processor": [r"refused 10\.77\.0\.2: it was built with another protocol definition"],
                        "memory": [r"node 1: it refused this node, which was built with another protocol definition",
                                   r"refused 10\.77\.0\.3: it was built with another protocol definition"],
                        "storage": [r"node 2: it refused this node, which was built with another protocol definition"]}),
    "memory-waits-for-nobody": ("processor node is not ready .*waiting for node-3", ["--append", "S:fit.ip=10.77.0.9/24"]),
    "no-disk": ("there is no disk vdz to mount at /|no storage node has a volume for /", ["--append", "S:storage.mount=vdz:/"]),
}, limit=90)
def missing_peer(bed, choice):
    """
    A node that never comes: named, and not waited for beyond --boot-timeout. One that may not join: both sides say why, once, and it
    asks again and again.
    """
    text, options, *said = choice
    if "debug." in options[1]:
        debug_kernels(bed)
    fails(bed, text, "--boot-timeout", "15", *options)
    for role, lines in (said[0] if said else {}).items():
        log = bed.read("run1/%s.log" % role).decode()
        for line in lines:
            assert len(re.findall(line, log)) == 1, (line, log[-2000:])


def check_panic(bed, role, text, function):
    """The log has the panic's text and a stack trace with names, of which one is the function that panicked."""
    with open(bed.path("run%d/%s.log" % (bed.runs, role))) as file:
        log = file.read()
    assert re.search(r"panic: %s" % text, log), log[-2000:]
    stack = re.findall(r"err %s/\d+:   0xffffffff[0-9a-f]+ (\w+)\+0x[0-9a-f]+" % role, log)
    assert function in stack, (stack, log[-2000:])
    decoded = subprocess.run([TOOL, "decode", bed.path("run%d/%s.log" % (bed.runs, role))], stdout=subprocess.PIPE, text=True,
                             env=bed.env, check=True)
    assert re.search(r"\(%s, kernel/main\.c:\d+\)" % function, decoded.stdout), decoded.stdout[-2000:]


@each({"processor": "P", "memory": "M", "storage": "S"})
def node_panics(bed, short):
    """While a program runs, at once, and during boot; by panic() and by a fault of the kernel."""
    role = {"P": "processor", "M": "memory", "S": "storage"}[short]
    busy = ("memtest", "64", "1", "1000")
    fails(bed, "^tangram: %s node panicked: debug.panic=3000ms" % role, "--append", short + ":debug.panic=3s", program=busy)
    check_panic(bed, role, "debug.panic=3000ms", "panic_thread")
    fails(bed, "^tangram: %s node panicked: page fault" % role, "--append", short + ":debug.fault=2s", program=busy)
    check_panic(bed, role, "page fault", "fault_thread")
    fails(bed, "^tangram: %s node panicked: debug.panic=0ms" % role, "--append", short + ":debug.panic=1us", program=busy)


@case()
def every_parameter_is_known(bed):
    """What the tool and the documentation name is known to the nodes; what nobody knows is named in the log."""
    bed.run("hello", options=["--append", "all:selftest=0 loglevel=3 fit.mtu=4096 fit.workers=8 fit.suspect=500ms fit.dead=2s net.poll=20us",
                              "--append", "P:aslr=no init.arg=x init.env=A=b hostname=x"])
    for role in ("processor", "memory", "storage"):
        assert b"is not known here" not in bed.read("run1/%s.log" % role), role
    bed.run("hello", options=["--append", "M:fit.peer=1:10.77.0.1", "--append", "P:pcache.way=3"])
    for role, word in (("processor", b"pcache.way"), ("memory", b"fit.peer")):
        assert bed.read("run2/%s.log" % role).count(b"parameter %s is not known here" % word) == 1
    assert b"is not known here" not in bed.read("run2/storage.log")


@each({"1024": 1024, "4096": 4096}, limit=200)
def full_disk(bed, block_size):
    """A program hears ENOSPC, what was synced before is there, and the disk is clean afterwards; also a disk of its own."""
    disk = bed.path("disk.img")
    with open(disk, "wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-b", str(block_size), disk], check=True)
    result = bed.run("fill_disk", "/mnt", "64", options=["--disk", disk + ":/mnt"], timeout=150)
    megabytes = int(re.search(rb"fill_disk: OK full after (\d+) MB", result.out).group(1))
    assert 10 < megabytes < 24, megabytes
    done = subprocess.run(["/sbin/e2fsck", "-f", "-n", disk], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    listing = subprocess.run(["/sbin/debugfs", "-R", "ls -p /", disk], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    assert b"/fill-2/1048576/" in listing.stdout, listing.stdout


@each({
    "junk": (None, "vdb: not mounted: it holds no ext4"),
    "unknown-feature": (["-O", "inline_data"], "vdb: not mounted: feature inline_data is not supported"),
})
def disk_is_refused(bed, choice):
    """A disk that cannot be mounted ends the run: what a program writes to its place would be lost."""
    options, text = choice
    disk = bed.path("disk.img", bytes(16 << 20))
    if options:
        subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", *options, disk], check=True)
    before = bed.read("disk.img")
    fails(bed, text, "--disk", disk + ":/mnt")
    assert bed.read("disk.img") == before


@case()
def disk_with_an_unclean_journal(bed):
    """It is read-only, the tool says so, and nothing of it is written."""
    disk = bed.path("disk.img", bytes(16 << 20))
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", disk], check=True)
    subprocess.run(["/sbin/debugfs", "-w", "-R", "feature needs_recovery", disk], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before = bed.read("disk.img")
    result = bed.run("fill_disk", "/mnt", "1", status=1, options=["--disk", disk + ":/mnt"])
    assert "Read-only file system" in result.err, result.err
    assert "tangram: storage: vdb is mounted read-only at /mnt: the log says why\n" in result.err, result.err
    assert bed.read("disk.img") == before


@case()
def full_root_disk(bed):
    """The run's own copy of the image is full: the same, and the run itself ends well."""
    result = bed.run("fill_disk", "/data", "4000", timeout=100)
    assert b"fill_disk: OK full after" in result.out


@each({"logs": "log", "temporary": "tmp", "report": "json"})
def host_disk_is_full(bed, what):
    """The host's disk is full where logs, disk copies or the report go: one line. Needs a small file system: as root of a namespace."""
    small = os.path.join(bed.tmp, "small")
    os.mkdir(small)
    words = [TOOL, "run", "--quiet", "--log-dir", small + "/log" if what == "log" else bed.path("log")]
    if what == "json":
        words += ["--json", small + "/facts.json"]
    env = dict(bed.env, TMPDIR=small) if what == "tmp" else bed.env
    script = 'mount -t tmpfs -o size=%s none "$0" && dd if=/dev/zero of="$0/fill" bs=1k count=%d 2> /dev/null; exec "$@"'
    size, fill = ("8m", 1) if what == "tmp" else ("64k", 1000)
    done = subprocess.run(["unshare", "-mr" if os.getuid() else "-m", "sh", "-c", script % (size, fill), small, *words, "--", "hello"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, timeout=100 * PATIENCE)
    print(done)
    assert done.returncode == 125, done
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("tangram: "), done.stderr
    assert re.search("space|full", done.stderr), done.stderr
    os.rmdir(small)
    bed.assert_nothing_left(1)
