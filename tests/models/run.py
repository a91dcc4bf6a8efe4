#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Runs the Promela models: each is searched exhaustively and must be free of errors; then each rule that it names is switched
off (-DBREAK_<RULE>), and Spin must find the failure that the rule prevents. Used by build.mk.

In a model's first comment:
    RULE NAME wrong|hang|livelock  what the rule is
    SEARCH livelock | bitstate     how it is searched, if not for assertions and deadlocks
    LONG                           only with --long
Prints `ok   model NAME ...` or `FAIL model NAME (why)`, then a summary. --table: the models alone, with the table of figures for Documentation/models.md.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
CPU_SECONDS = 60                        # what a search may take
MEGABYTES = 8000
MINUTES = 45                            # where a search need not come to its end
BOUND = "(l<"                            # the model ran out of lines: nothing that the rule is about
FOUND = {"wrong": "assertion violated", "hang": "invalid end state", "livelock": "non-progress cycle"}


class Model:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)[:-len(".pml")]
        head = open(path).read().split("*/")[1]
        self.rules = re.findall(r"^ \* RULE (\w+) (\w+) +(.*)$", head, re.M)
        search = re.search(r"^ \* SEARCH (\w+)", head, re.M)
        self.search = search.group(1) if search else "exhaustive"
        self.long = re.search(r"^ \* LONG", head, re.M) is not None


class Failed(Exception):
    pass


def limit(seconds):
    def set_limit():
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    return set_limit


def run(command, folder, seconds):
    """Output of the command; its time limit is of CPU time, for the machine may be busy."""
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          preexec_fn=limit(seconds), timeout=seconds * 10)
    return done.returncode, done.stdout.decode(errors="replace")


def build(model, flags, folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    status, out = run(["spin", "-a"] + flags + [model.path], folder, 10)
    if status != 0 or not os.path.exists(folder + "/pan.c"):
        raise Failed("spin: " + out.strip()[-400:])
    how = {"exhaustive": ["-DSAFETY", "-DNOFAIR", "-DCOLLAPSE"], "bitstate": ["-DSAFETY", "-DBITSTATE"],
           "livelock": ["-DNP", "-DNFAIR=3"]}[model.search]
    # not optimised: the compiler would take longer than most searches
    optimise = "-O1" if model.long else "-O0"
    status, out = run(["gcc", optimise, "-w", "-DMEMLIM=%d" % MEGABYTES, "-DVECTORSZ=4096"] + how + ["-o", "pan", "pan.c"],
                      folder, 300)
    if status != 0:
        raise Failed("gcc: " + out[-400:])


def figures(out):
    def number(pattern):
        match = re.search(pattern, out)
        return float(match.group(1)) if match else 0.0
    return number(r"([\d.e+]+) states, stored"), number(r"elapsed time ([\d.e+]+)"), number(r"([\d.]+)\s+total actual memory")


def search(model, folder, seconds):
    command = ["./pan", "-m1000000"]
    command += {"exhaustive": ["-w24"], "bitstate": ["-w33", "-Q%d" % MINUTES], "livelock": ["-w20", "-l", "-f"]}[model.search]
    _, out = run(command, folder, seconds)
    open(folder + "/pan.out", "w").write(out)
    return out


def check_right(model, folder):
    build(model, [], folder)
    out = search(model, folder, 3600 if model.long else CPU_SECONDS)
    if "errors: 0" not in out:
        what = re.search(r"pan:\d+: (.*)", out)
        raise Failed(what.group(1) if what else "the search did not end")
    for bad in ("max search depth too small", "out of memory") + ("Search not completed",) * (model.search != "bitstate"):
        if bad in out:
            raise Failed(bad)
    return out


def check_broken(model, rule, kind, folder):
    build(model, ["-DBREAK_" + rule], folder)
    out = search(model, folder, CPU_SECONDS)
    what = re.search(r"pan:\d+: (.*)", out)
    if not re.search(r"pan:\d+: " + FOUND[kind], out) or BOUND in what.group(1):
        raise Failed("without this rule: " + (what.group(1) if what else "nothing is found"))
    shutil.copy(folder + "/" + model.name + ".pml.trail", folder + "/trail")


class Runner:
    def __init__(self, options):
        self.options = options
        self.passed = self.failed = 0
        self.rows = []

    def one(self, name, action):
        start = time.monotonic()
        try:
            note = action()
            self.passed += 1
            print("ok   model %s %s" % (name, note or "%.1f s" % (time.monotonic() - start)), flush=True)
        except (Failed, OSError, subprocess.TimeoutExpired) as error:
            self.failed += 1
            print("FAIL model %s (%s)" % (name, error), flush=True)

    def right(self, model, folder):
        states, seconds, megabytes = figures(check_right(model, folder))
        self.rows.append((model.name, states, seconds, megabytes))
        note = "%d states, %.1f s, %d MB" % (states, seconds, megabytes)
        factor = re.search(r"hash factor: ([\d.e+]+)", open(folder + "/pan.out").read())
        return note + (", hash factor %s" % factor.group(1) if factor else "")

    def model(self, model):
        folder = os.path.join(self.options.build, model.name)
        self.one(model.name, lambda: self.right(model, folder))
        for rule, kind, _ in [] if self.options.table else model.rules:
            self.one("%s/%s" % (model.name, rule), lambda: check_broken(model, rule, kind, folder + "-" + rule))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", default="build/models", help="where to put what Spin makes")
    parser.add_argument("--long", action="store_true", help="the long models only")
    parser.add_argument("--table", action="store_true", help="the models alone, their figures as a table")
    parser.add_argument("--list", action="store_true", help="name the models")
    parser.add_argument("models", nargs="*", help="names of models; all of them otherwise")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    sys.path.insert(0, HERE)
    sys.dont_write_bytecode = True
    import states_test
    runner = Runner(options)
    if options.list:
        print("states")
    elif not options.models or "states" in options.models:
        runner.one("states", states_test.check)
    for name in sorted(os.listdir(HERE)):
        if not name.endswith(".pml") or "\ninit {" not in open(os.path.join(HERE, name)).read():
            continue                    # what models are made of
        model = Model(os.path.join(HERE, name))
        if model.name not in options.models and (options.models or model.long != options.long):
            continue
        if options.list:
            print(model.name)
        else:
            runner.model(model)
    if options.list:
        return 0
    if options.table:
        for row in runner.rows:
            print("| %s | %d | %.1f | %d |" % row)
    print("models: %d passed, %d failed" % (runner.passed, runner.failed))
    return 1 if runner.failed or not runner.passed else 0


if __name__ == "__main__":
    sys.exit(main())
