#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
How much of each parser its fuzzer's kept corpus comes to.

coverage.py FOLDER FUZZER...      a line for each file that the fuzzer's PARSERS lines name, below LEAST percent a failure
coverage.py --unpack FUZZER FOLDER    the corpus as files
coverage.py --keep FOLDER FUZZER FOUND...    make the corpus anew from the folders of inputs FOUND, as few as cover the same

A corpus is tests/fuzz/corpus/FUZZER.hex: an input a line.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
LEAST = 90


def corpus(name):
    return os.path.join(HERE, "corpus", name + ".hex")


def unpack(name, folder):
    os.makedirs(folder, exist_ok=True)
    paths = []
    if os.path.exists(corpus(name)):
        with open(corpus(name)) as file:
            for number, line in enumerate(line for line in file if not line.startswith("#")):
                paths.append(os.path.join(folder, "kept-%04d" % number))
                with open(paths[-1], "wb") as out:
                    out.write(bytes.fromhex(line.strip()))
    return paths


def keep(folder, name, found):
    with tempfile.TemporaryDirectory() as tmp:
        least = os.path.join(tmp, "least")
        os.mkdir(least)
        unpack(name, os.path.join(tmp, "kept"))
        subprocess.run([os.path.join(os.path.abspath(folder), name), "-merge=1", "-use_counters=0", "-verbosity=0", "-timeout=20", least,
                        os.path.join(tmp, "kept"), *map(os.path.abspath, found)], check=True, cwd=tmp, stderr=subprocess.DEVNULL)
        inputs = []
        for entry in sorted(os.listdir(least)):
            with open(os.path.join(least, entry), "rb") as file:
                inputs.append(file.read())
    with open(corpus(name), "w") as out:
        out.write("# SPDX-License-Identifier: MIT\n")
        out.writelines(data.hex() + "\n" for data in sorted(inputs, key=lambda data: (len(data), data)))
    print("%s: %d inputs, %d bytes" % (name, len(inputs), sum(map(len, inputs))))


def parsers(name):
    with open(os.path.join(HERE, name + ".c")) as file:
        return [path for line in re.findall(r"PARSERS:([^*]*)", file.read(4000)) for path in line.split()]


def tool(name):
    return shutil.which(name) or shutil.which(name + "-14") or sys.exit("no %s: install Debian's llvm-14" % name)


def measure(folder, name):
    """{parser: (lines, covered)}"""
    with tempfile.TemporaryDirectory() as tmp:
        inputs = unpack(name, os.path.join(tmp, "in"))
        binary = os.path.join(folder, "cov", name)
        raw, data = os.path.join(tmp, "raw"), os.path.join(tmp, "data")
        subprocess.run([os.path.abspath(binary), *inputs], check=True, env=dict(os.environ, LLVM_PROFILE_FILE=raw),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600)
        subprocess.run([tool("llvm-profdata"), "merge", "-o", data, raw], check=True)
        text = subprocess.run([tool("llvm-cov"), "export", "-summary-only", "-instr-profile", data, binary], check=True,
                              stdout=subprocess.PIPE).stdout
    files = {os.path.relpath(one["filename"]): one["summary"]["lines"] for one in json.loads(text)["data"][0]["files"]}
    return {path: (files[path]["count"], files[path]["covered"]) for path in parsers(name)}


def main(args):
    if args[:1] == ["--unpack"]:
        unpack(*args[1:])
        return 0
    if args[:1] == ["--keep"]:
        keep(args[1], args[2], args[3:])
        return 0
    if not args[1:]:
        sys.exit("FAIL fuzz-coverage: no fuzzer is named")
    bad = 0
    for name in args[1:]:
        for path, (lines, covered) in sorted(measure(args[0], name).items()):
            percent = 100 * covered / lines
            bad += percent < LEAST
            print("%s fuzz-coverage %s %s %.1f %% of %d lines" % ("ok  " if percent >= LEAST else "FAIL", name, path, percent, lines))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
