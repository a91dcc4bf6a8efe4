# SPDX-License-Identifier: MIT
"""The tool with real nodes: files in and out, failures of the cluster, nothing left behind."""

import os
import random
import signal
import subprocess
import time

from cases import case, each
from testbed import BUILD, TOOL


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


@case()
def accounting_and_counters(bed):
    result = bed.run("memtest", "8", "2", "2", options=["--pcache", "4M"])
    for role in ("processor", "memory", "storage"):
        node = result.node(role)
        assert node["counters"] and node["parameters"]["fit.node"], role
        assert node["accounting"]["free_frames"] > 0, role
    assert result.counter("nr_pgfault") > 2048
    assert result.facts["boot_seconds"] > 0


@case()
def timeout_ends_it(bed):
    start = time.monotonic()
    bed.run("stdin_cat", options=["--stdin", "/dev/zero"], timeout=6, status=124)
    assert time.monotonic() - start < 15
    bed.assert_nothing_left(1)


@case()
def node_dies(bed):
    """Each node's QEMU is killed while the program runs: one line, status 125, nothing left."""
    for role in ("processor", "memory", "storage"):
        process = subprocess.Popen([TOOL, "run", "--quiet", "--log-dir", bed.path(role), "--", "memtest", "64", "1", "1000"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=bed.env)
        time.sleep(5)
        for entry in os.listdir("/proc"):
            try:
                with open("/proc/%s/cmdline" % entry, "rb") as file:
                    line = file.read()
            except OSError:
                continue
            if b"tangram-%s\0" % role.encode() in line and bed.tmp.encode() in line:
                os.kill(int(entry), signal.SIGKILL)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 125, (role, process.returncode, err)
        assert err.count(b"\n") == 1, err
        bed.assert_nothing_left()


@case(limit=200)
def killed_leaves_nothing(bed):
    rng = random.Random(os.getpid())
    for _ in range(8):
        process = subprocess.Popen([TOOL, "run", "--log-dir", bed.path("log"), "--", "word_count", "/data/text"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=bed.env)
        time.sleep(rng.random() * 6)
        process.kill()
        process.wait()
        bed.assert_nothing_left(5)


@case()
def as_an_ordinary_user(bed):
    """As root, runs as nobody; as somebody else, every test here is that."""
    command = [TOOL, "run", "--quiet", "--log-dir", os.path.join(bed.tmp, "log"), "--", "exit_status", "21"]
    if os.getuid() == 0:
        os.chmod(bed.tmp, 0o777)
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *command]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=bed.env,
                          timeout=100)
    assert done.returncode == 21, done.stderr
