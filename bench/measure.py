# SPDX-License-Identifier: MIT
"""What the parts of the benchmark share: paths, a run of the cluster and its facts, instructions counted by a plugin of QEMU's."""

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
