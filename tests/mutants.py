#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Takes rules of the kernels away one at a time (lib/base/rule.h) and expects the rule's test to fail. Prints `ok   mutant NAME ...`
or `FAIL mutant NAME (why)`, and at the end `mutants: N found, N missed`. With names, of rules or of lessons, only these. Used by
tests/mutants.mk.

Host mutants run in the unit tests themselves. For the others three nodes run with kernels of a build with CONFIG_MUTANTS: the
test must pass there as long as no rule is gone, or its failure would say nothing; and the log must say that the rule was gone.
"""

import argparse
import glob
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PCACHE_TEST = "managers/processor/pcache/pcache_test"
# mutant: the unit test that must fail without the rule, and a word of its failure. The pcache's test has a list of its own.
HOST = {"L44": ("net/fit/fit_test", "heap-use-after-free")}
# mutant: the case of tests/system that must fail without the rule
SYSTEM = {name: "lesson-" + name for name in ("L9", "L10", "L14", "L15", "L16", "L30")}
SECONDS = 240


class Mutants:
    def __init__(self, options):
        self.build = os.path.abspath(options.build)
        self.own = os.path.join(self.build, "mutants")
        self.names = options.names
        self.found = self.missed = 0
        os.makedirs(os.path.join(self.own, "log"), exist_ok=True)
        for name in ("images", "tools", "user", "data"):    # all but the kernels are those of the ordinary build
            link = os.path.join(self.own, name)
            if not os.path.islink(link):
                os.symlink(os.path.join("..", name), link)

    def wanted(self, name):
        return not self.names or name in self.names

    def say(self, name, why, start, what):
        """why: None if the test failed as it should."""
        seconds = time.monotonic() - start
        if why is None:
            self.found += 1
            print("ok   mutant %s %s, %.1f s" % (name, what, seconds), flush=True)
        else:
            self.missed += 1
            print("FAIL mutant %s (%s)" % (name, why), flush=True)

    def run(self, name, command, **environment):
        """(status, output) of a test; its output is kept in a log."""
        try:
            done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, env=dict(os.environ, TANGRAM_PATIENCE="1", **environment), timeout=SECONDS)
            status, out = done.returncode, done.stdout.decode(errors="replace")
        except subprocess.TimeoutExpired as error:
            status, out = None, (error.stdout or b"").decode(errors="replace")
        with open(os.path.join(self.own, "log", name), "w") as file:
            file.write(out)
        return status, out

    def pcache(self, *which):
        """The unit test takes the pcache's rules away by itself, one process a rule; which: a rule, or those of a lesson."""
        start = time.monotonic()
        process = subprocess.Popen([os.path.join(self.build, "host", PCACHE_TEST), "mutants", *which], cwd=ROOT, stdout=subprocess.PIPE,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for line in process.stdout:
            match = re.match(rb"(ok|FAIL) +mutant (\S+) *(\S*)", line)
            if match:
                self.say(" ".join(word.decode() for word in match.groups()[1:] if word),
                         None if match.group(1) == b"ok" else "no schedule fails", start, PCACHE_TEST)
                start = time.monotonic()
        if process.wait() not in (0, 1):
            self.say("pcache", "the unit test ended with %d" % process.returncode, start, "")

    def host(self, name):
        test, word = HOST[name]
        start = time.monotonic()
        status, out = self.run(name, [os.path.join(self.build, "host", test)], TANGRAM_MUTANT=name)
        why = None
        if status == 0:
            why = "%s passes" % test
        elif status is None:
            why = "%s does not end" % test
        elif word not in out:
            why = "%s fails in another way" % test
        self.say(name, why, start, test)

    def case(self, name, mutant):
        case = SYSTEM[name]
        more = {"TANGRAM_MUTANT": name} if mutant else {}
        status, out = self.run(name if mutant else name + "-none", [sys.executable, "tests/system/cases.py", case],
                               TANGRAM_BUILD=self.own, **more)
        return status, out, os.path.join(self.own, "check", "system", case)

    def system(self, name):
        start = time.monotonic()
        status, _, folder = self.case(name, False)
        if status != 0:
            self.say(name, "its test fails with all rules in force: %s" % folder, start, "")
            return
        status, out, folder = self.case(name, True)
        logs = [open(path, errors="replace").read() for path in glob.glob(folder + "/*/processor.log")]
        why = None
        if not any("debug.mutant: rule" in text for text in logs):
            why = "the kernel does not say that the rule is gone"
        elif status == 0:
            why = "%s passes" % SYSTEM[name]
        elif status != 1 or "\nFAIL " not in out:
            why = "%s did not end" % SYSTEM[name]
        self.say(name, why, start, SYSTEM[name])

    def all(self):
        if self.wanted("pcache"):
            self.pcache()
        else:
            for name in self.names:
                self.pcache(name)
        for name in sorted(list(HOST) + list(SYSTEM), key=lambda name: int(name[1:])):
            if self.wanted(name):
                (self.host if name in HOST else self.system)(name)
        print("mutants: %d found, %d missed" % (self.found, self.missed))
        return 1 if self.missed or not self.found else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n\n")[0])
    parser.add_argument("--build", default="build", help="the build folder; kernels without rules are in its folder mutants")
    parser.add_argument("names", nargs="*", help="L9 and so on, or a rule of the pcache; pcache: all of those, in its unit test")
    return Mutants(parser.parse_args()).all()


if __name__ == "__main__":
    sys.exit(main())
