# SPDX-License-Identifier: MIT
"""What the parts of the benchmark share: paths, a run of the cluster and its facts, instructions counted by a plugin of QEMU's."""

import contextlib
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", "system"), os.path.join(ROOT, "scripts")]
BUILD = os.path.abspath(os.environ.get("TANGRAM_BUILD", os.path.join(ROOT, "build")))
os.environ["TANGRAM_BUILD"] = BUILD
TOOL = os.path.join(ROOT, "scripts", "tangram")
OUT = os.path.join(BUILD, "bench")


def plugin(name):
    """A plugin of QEMU's, built from bench/NAME_plugin.c: the path of its library."""
    library = os.path.join(OUT, name + ".so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-o", library,
                    os.path.join(ROOT, "bench", name + "_plugin.c")], check=True)
    return library


def command():
    """What this run was begun with, as a person types it."""
    chosen = ["%s=%s" % item for item in sorted(os.environ.items()) if item[0].startswith("TANGRAM_BENCH_")]
    return " ".join(chosen + ["make bench"] + ['PARTS="%s"' % " ".join(sys.argv[1:])] * (len(sys.argv) > 1))


@contextlib.contextmanager
def host_awake():
    """
    With TANGRAM_BENCH_AWAKE=1 a process of idle priority on each of the host's CPUs, so that none halts: on a host that is a virtual
    machine itself to wake a CPU that halted takes longer than the way of a message, and never the same time.
    """
    spin = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\n" \
           "parent = os.getppid()\nwhile os.getppid() == parent:\n    for _ in range(10 ** 6): pass"
    spinning = [subprocess.Popen([sys.executable, "-c", spin, str(cpu)]) for cpu in sorted(os.sched_getaffinity(0))] \
        if os.environ.get("TANGRAM_BENCH_AWAKE") == "1" else []
    try:
        yield
    finally:
        for one in spinning:
            one.kill()
            one.wait()


def tangram(*words, timeout=300):
    return subprocess.run([TOOL, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout, text=True)


def run(*program, options=(), timeout=240):
    facts = os.path.join(OUT, "facts.json")
    done = tangram("run", "--quiet", "--timeout", str(timeout), "--log-dir", os.path.join(OUT, "log"), "--json", facts, *options,
                   "--", *program, timeout=timeout + 60)
    if done.returncode != 0:
        raise RuntimeError("%s: status %d: %s" % (" ".join(program), done.returncode, done.stderr.strip()[-300:]))
    with open(facts) as file:
        return done.stdout, json.load(file)


def executed(*program, options=()):
    """{role: instructions that its machine executed from reset to power-off}"""
    for name in os.listdir(OUT):
        if name.startswith("insns-"):
            os.unlink(os.path.join(OUT, name))
    run(*program, options=["--cpus", "1", "--pcache", "4M", "--qemu", "-plugin %s,dir=%s" % (plugin("insn"), OUT),
                           *options])
    counts = {}
    for name in os.listdir(OUT):
        if name.startswith("insns-"):
            with open(os.path.join(OUT, name), "rb") as file:
                data = file.read()
            words = data[8:].split(b"\0")
            counts[words[words.index(b"-name") + 1].decode().replace("tangram-", "")] = int.from_bytes(data[:8], "little")
    return counts
