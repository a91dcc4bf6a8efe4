# SPDX-License-Identifier: MIT
"""The tool with real nodes: files in and out, failures of the cluster, nothing left behind."""

import os
import random
import re
import shutil
import signal
import subprocess
import time

from cases import PATIENCE, case, each
from testbed import BUILD, ROOT, TOOL, as_fresh_user


@case()
def add_and_get(bed):
    data = os.urandom(150000)
    bed.path("file", data)
    result = bed.run("exit_status", "3", status=3,
                     options=["--add", bed.path("file") + "=/data/x/file", "--get", "/data/x/file=" + bed.path("back")])
    assert bed.read("back") == data
    assert result.facts["exit_status"] == 3


@each({"1024": 1024, "2048": 2048})
def image_block_size(bed, size):
    image = bed.path("x.img")
    subprocess.run([os.path.join(os.path.dirname(TOOL), "make-image"), "--programs", os.path.join(BUILD, "user"), "--text",
                    os.path.join(BUILD, "data", "text"), "--block-size", str(size), image], check=True)
    before = bed.read("x.img")
    result = bed.run("word_count", "/data/text", "1", options=["--image", image])
    assert b"\nTHE: " in result.out
    assert bed.read("x.img") == before, "the image was changed"


def documented_counters(role):
    """The names below the headings that say `every node` or the role."""
    with open(os.path.join(ROOT, "Documentation", "counters.md")) as file:
        parts = file.read().split("\n## Lists", 1)[1].split("\n### ")[1:]
    return {name for part in parts if re.match(r"\S+ \((every node|%s)\)" % role, part) for name in re.findall(r"(?m)^\| `(\w+)` \|", part)}


@case()
def accounting_and_counters(bed):
    result = bed.run("memtest", "8", "2", "2", options=["--pcache", "4M"])
    for role in ("processor", "memory", "storage"):
        node = result.node(role)
        assert node["counters"] and node["parameters"]["fit.node"], role
        assert node["accounting"]["free_frames"] > 0, role
        assert set(node["counters"]) == documented_counters(role), set(node["counters"]) ^ documented_counters(role)
    assert result.counter("nr_pgfault") > 2048
    facts = result.facts
    assert (facts["exit_status"], facts["error"]) == (0, None)
    assert 0 < facts["guest_seconds"] < facts["wall_seconds"] and 0 < facts["boot_seconds"] < facts["wall_seconds"]
    assert 2048 <= facts["footprint"] < 4096, facts["footprint"]        # 8 MiB, and the program itself


@case()
def timeout_ends_it(bed):
    bed.run("stdin_cat", options=["--stdin", "/dev/zero"], timeout=6, status=124)
    bed.assert_nothing_left(1)


def kill_qemu(bed, role):
    for entry in os.listdir("/proc"):
        try:
            with open("/proc/%s/cmdline" % entry, "rb") as file:
                line = file.read()
        except OSError:
            continue
        if b"tangram-%s\0" % role.encode() in line and bed.tmp.encode() in line:
            os.kill(int(entry), signal.SIGKILL)


@case()
def node_dies(bed):
    """Each node's QEMU is killed while the program runs: one line, status 125, nothing left."""
    for role in ("processor", "memory", "storage"):
        process = subprocess.Popen([TOOL, "run", "--quiet", "--log-dir", bed.path(role), "--", "memtest", "64", "1", "1000"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=bed.env)
        time.sleep(5)
        kill_qemu(bed, role)
        _, err = process.communicate(timeout=30 * PATIENCE)
        assert process.returncode == 125, (role, process.returncode, err)
        assert err.count(b"\n") == 1, err
        bed.assert_nothing_left()


@case(limit=240)
def killed_leaves_nothing(bed):
    """SIGKILL at any point of a run, from its first millisecond to its last: within 5 s nothing of it is left."""
    rng = random.Random(os.getpid())
    start = time.monotonic()
    bed.run("hello")
    length, alive = time.monotonic() - start, 0
    for i in range(12):
        program = ("hello",) if i % 2 else ("memtest", "64", "1", "1000")       # the latter does not end by itself
        process = subprocess.Popen([TOOL, "run", "--log-dir", bed.path("log"), "--", *program], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=bed.env)
        time.sleep(rng.random() * length * (1 if i % 2 else 1.5))
        alive += process.poll() is None
        process.kill()
        process.wait()
        bed.assert_nothing_left(5)
    print("a run takes %.1f s; %d of 12 were killed in the middle" % (length, alive))
    assert alive >= 6, "too few runs were killed while they lasted"


@case(limit=120)
def keeper_killed_leaves_nothing(bed):
    """The same for a cluster that stays: its keeper is killed, idle and while a program runs."""
    for busy in (False, True):
        assert bed.tangram("up", "--quiet", "--name", "kept", "--log-dir", bed.path("log")).status == 0
        keeper = int(re.search(rb"^kept .* keeper (\d+)", bed.tangram("list").out).group(1))
        client = None
        if busy:
            client = subprocess.Popen([TOOL, "exec", "--quiet", "kept", "--", "memtest", "64", "1", "1000"], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=bed.env)
            time.sleep(1)
        os.kill(keeper, signal.SIGKILL)
        if client:
            _, err = client.communicate(timeout=20 * PATIENCE)
            assert client.returncode == 125 and err.count("\n") == 1, (client.returncode, err)
        bed.assert_nothing_left(5)
        assert bed.tangram("list").out == b""


@each({"interrupted": 130, "processor-killed": 125})
def what_was_written_outlives_a_failure(bed, status):
    """A file that the program wrote, and nobody synced, comes out and is on the disk, though the run ends badly."""
    disk = bed.path("disk.img", bytes(16 << 20))
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", disk], check=True)
    script = "seq 1 20000 > /data/here; seq 1 20000 > /mnt/there; echo written; sleep 1000"
    process = subprocess.Popen([TOOL, "run", "--quiet", "--image", "debian", "--log-dir", bed.path("run1"), "--disk", disk + ":/mnt",
                                "--get", "/data/here=" + bed.path("here"), "--", "/bin/sh", "-c", script],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=bed.env)
    assert process.stdout.readline() == b"written\n", process.communicate()
    if status == 130:
        process.send_signal(signal.SIGINT)
    else:
        kill_qemu(bed, "processor")
    _, err = process.communicate(timeout=60 * PATIENCE)
    assert (process.returncode, err.count(b"\n")) == (status, 1), (process.returncode, err)
    wanted = b"".join(b"%d\n" % n for n in range(1, 20001))
    assert bed.read("here") == wanted
    assert subprocess.run(["/sbin/e2fsck", "-f", "-n", disk], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    assert subprocess.run(["/sbin/debugfs", "-R", "cat /there", disk], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout == wanted
    bed.assert_nothing_left()


@case()
def two_at_once(bed):
    """Two clusters on one host know nothing of each other."""
    processes = [subprocess.Popen([TOOL, "run", "--quiet", "--log-dir", bed.path("log%d" % i), "--", "memtest", str(4 + i)],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=bed.env) for i in range(2)]
    for i, process in enumerate(processes):
        out, err = process.communicate(timeout=100 * PATIENCE)
        assert (process.returncode, err) == (0, b""), (process.returncode, out, err)
        assert b"memtest: OK %d MB" % (4 + i) in out, out
    bed.assert_nothing_left()


@case(limit=180)
def as_a_fresh_user(bed):
    """A user with nothing: no groups, no XDG_RUNTIME_DIR, a home that is empty. A run, its logs, and a cluster that stays."""
    home = os.path.join(bed.tmp, "home")
    os.mkdir(home)
    before = [*as_fresh_user(home), "TMPDIR=" + home]

    def tangram(*words, status=0):
        if os.path.isdir(home + "/dev"):
            shutil.rmtree(home + "/dev")
        done = subprocess.run([*before, TOOL, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, cwd="/", timeout=100 * PATIENCE)
        print(words, done)
        assert done.returncode == status, done
        return done
    log = re.search(r"tangram: logs: (\S+)", tangram("run", "--", "exit_status", "21", status=21).stderr).group(1)
    assert os.path.getsize(log + "/processor.log") > 0
    assert tangram("run", "--quiet", "--log-dir", home + "/log", "--", "hello").stdout == "hello, world\nhello: OK\n"
    name = "fresh-%d" % os.getpid()
    tangram("up", "--quiet", "--name", name, "--log-dir", home + "/log")
    try:
        tangram("exec", "--quiet", name, "--", "exit_status", "5", status=5)
        assert name in tangram("list").stdout
        assert tangram("run", "--quiet", "--log-dir", "/proc/none", "--", "hello", status=125).stderr.count("\n") == 1
    finally:
        tangram("down", name)
    assert name not in tangram("list").stdout
    bed.assert_nothing_left()
    if log.startswith("/tmp/"):
        shutil.rmtree(os.path.dirname(log))
