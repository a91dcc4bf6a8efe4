#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
All checks: builds with both compilers, unit tests, the host's tools, whole clusters. One line per test,
`ok NAME SECONDS` or `FAIL NAME LOG`, and at the end `N passed, N failed`. What is not there fails; nothing is skipped.
What runs whole nodes, or programs of ours on the host, is run once more if it fails, to tell a defect that is there each time (FAIL) from
one that is seen now and then: UNSTEADY NAME LOG, a defect as well, with the log of the run that failed. More than UNSTEADY_ALLOWED fail.
"""

import argparse
import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "system"))

import cases                            # noqa: E402

PYTHON = "/usr/bin/python3"
PART_SECONDS = 3600
SHOWN_LINES = 40                        # of a failed test's log
UNSTEADY_ALLOWED = 2                    # of some 350 in one go
# T and M would be those of the make that runs this, by MAKEFLAGS: what has none of its own takes all. The last of a name counts.
MAKE = ["make", "--no-print-directory", "-j2", "T=", "M="]


class Checks:
    def __init__(self, options):
        self.options = options
        self.build = os.path.join(ROOT, options.build)
        self.logs = os.path.join(self.build, "check")
        os.makedirs(self.logs, exist_ok=True)
        self.passed = self.failed = self.unsteady = 0

    def wanted(self, name):
        return not self.options.only or self.options.only in name

    def result(self, name, good, seconds, log):
        if good:
            self.passed += 1
            print("ok   %s %.1f" % (name, seconds), flush=True)
        else:
            self.failed += 1
            print("FAIL %s %s" % (name, os.path.relpath(log) if os.path.exists(log) else log), flush=True)
            self.show_end(log)

    def show_end(self, log):
        """How a failed test's log ends: where the output is all that is left of a run, it must tell why."""
        if not os.path.exists(log):
            return
        with open(log, errors="replace") as file:
            for line in collections.deque(file, SHOWN_LINES):
                print("    | " + line.rstrip("\n")[:300], flush=True)

    def run(self, name, command, limit):
        """Run a command as a test; returns whether it passed."""
        if self.options.list:
            print(name)
            return True
        log = self.log_of(name)
        start = time.monotonic()
        good = self.passes(command, limit, log)
        self.result(name, good, time.monotonic() - start, log)
        return good

    def run_twice(self, name, command, limit, folder=None):
        """The same with a second try (see above); folder: what the test leaves beside its log."""
        if self.options.list:
            print(name)
            return
        log = self.log_of(name)
        start = time.monotonic()
        good = self.passes(command, limit, log)
        if not good:
            first = log[:-len("log")] + "first.log"
            os.replace(log, first)
            if folder and os.path.isdir(folder):
                shutil.rmtree(folder + ".first", ignore_errors=True)
                os.rename(folder, folder + ".first")
            good = self.passes(command, limit, log)
            if good:
                self.was_unsteady(name, first)
        self.result(name, good, time.monotonic() - start, log)

    def was_unsteady(self, name, log):
        self.unsteady += 1
        print("UNSTEADY %s %s" % (name, os.path.relpath(log)), flush=True)
        self.show_end(log)

    def run_cluster(self, case, limit):
        self.run_twice("system/" + case.name, [PYTHON, "tests/system/cases.py", case.name], limit,
                       os.path.join(self.logs, "system", case.name))

    def log_of(self, name):
        return os.path.join(self.logs, re.sub(r"[^A-Za-z0-9_.-]", "_", name) + ".log")

    def passes(self, command, limit, log):
        """Whether a command ends with 0. Its whole process group ends with it."""
        with open(log, "wb") as file:
            process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file,
                                       stderr=subprocess.STDOUT, start_new_session=True,
                                       env=dict(os.environ, TANGRAM_BUILD=self.build))
            try:
                status = process.wait(limit)
            except subprocess.TimeoutExpired:
                file.write(b"\n*** not done after %d s\n" % limit)
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    status = process.wait(10)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    status = process.wait()
                status = status or 1
            except BaseException:
                os.killpg(process.pid, signal.SIGTERM)
                raise
        return status == 0

    def builds(self):
        own = ["O=" + self.options.build]
        good = self.run("build/gcc", MAKE + own + ["kernel", "tools", "user-programs", "images", "debian-image", "debian-dev-image",
                                                   "debian-stress-image"], 900 * cases.PATIENCE)
        if self.wanted("build/clang"):
            clang = ["O=%s/clang" % self.options.build, "CC=clang", "HOSTCC=clang", "USER_CC=clang"]
            self.run("build/clang", MAKE + clang + ["kernel", "tools", "user-programs"], 900 * cases.PATIENCE)
        if self.wanted("build/iso"):
            self.run("build/iso", MAKE + own + ["iso"], 300 * cases.PATIENCE)
        if self.wanted("build/debug"):
            self.run("build/debug", MAKE + ["O=%s/debug" % self.options.build, "DEBUG=y", "kernel"], 900 * cases.PATIENCE)
        if self.wanted("lint"):
            self.run("lint", MAKE + own + ["lint"], 300 * cases.PATIENCE)
        return good

    @staticmethod
    def names_of(kind):
        command = {"unit": MAKE + ["check-unit-names"], "model": [PYTHON, "tests/models/run.py", "--list"],
                   "interop": [PYTHON, "tests/interop/cases.py", "--list"]}[kind]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout.decode().split()

    def some_of(self, kind):
        """The variable by which a target takes the names of those that are wanted: [] for all, None if there are none."""
        if not self.options.only:
            return []
        names = [name for name in self.names_of(kind) if self.wanted(kind + "/" + name)]
        return ["%s=%s" % ("M" if kind == "model" else "T", " ".join(names))] if names else None

    def lines(self, kind, target, twice=False, limit=None):
        """
        A make target that prints a line `ok KIND NAME` or `FAIL KIND NAME` for each of its tests; twice: a name is run by itself
        with T=NAME, and what failed gets a second try; limit: seconds for all of that, else it has failed.
        """
        if self.options.list:
            print("".join("%s/%s\n" % (kind, name) for name in self.names_of(kind) if self.wanted(kind + "/" + name)), end="")
            return
        some = self.some_of(kind)
        if some is None:
            return
        log = os.path.join(self.logs, kind + ".log")
        start, seen, bad, again = time.monotonic(), 0, 0, []
        deadline, late = start + (limit or float("inf")), threading.Event()
        with open(log, "wb") as file:
            process = subprocess.Popen(MAKE + ["O=" + self.options.build, target] + some, cwd=ROOT, stdout=subprocess.PIPE,
                                       stdin=subprocess.DEVNULL, stderr=file, start_new_session=True)
            timer = threading.Timer(limit or 0, self.too_late, (process, late))
            if limit:
                timer.start()
            try:
                for line in process.stdout:
                    file.write(line)
                    file.flush()
                    match = re.match(rb"(ok|FAIL) +%s (\S+)" % kind.encode(), line)
                    if match:
                        now = time.monotonic()
                        seen += 1
                        bad += match.group(1) == b"FAIL"
                        name, good = match.group(2).decode(), match.group(1) == b"ok"
                        if good or not twice:
                            self.result(kind + "/" + name, good, now - start, log)
                        else:
                            again.append((name, self.log_of(kind + "/" + name + ".first")))
                            self.keep_failure(line, again[-1][1])
                        start = now
            except BaseException:
                os.killpg(process.pid, signal.SIGTERM)
                raise
            finally:
                timer.cancel()
            if late.is_set():
                file.write(b"\n*** not done after %d s\n" % limit)
        process.stdout.close()
        if process.wait() != 0 and (bad == 0 or late.is_set()) or seen == 0:        # it ended before its tests did
            self.result(kind + "/all", False, 0, log)
        for name, first in again:
            start, own = time.monotonic(), self.log_of(kind + "/" + name)
            good = self.passes(MAKE + ["O=" + self.options.build, target, "T=" + name],
                               max(1, min(PART_SECONDS, deadline - start)), own)
            if good:
                self.was_unsteady(kind + "/" + name, first)
            self.result(kind + "/" + name, good, time.monotonic() - start, own)

    @staticmethod
    def too_late(process, late):
        """In a thread of its own: the target and all it began end, within ten seconds if they want it or not."""
        late.set()
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(10)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                pass

    def keep_failure(self, line, log):
        """A copy of the log that a line `FAIL KIND NAME LOG` names; of the line where there is none."""
        named = line.split()[3:]
        if named and os.path.exists(named[0]):
            shutil.copyfile(named[0], log)
        else:
            with open(log, "wb") as file:
                file.write(line)

    def tools(self):
        tests = (("tools/unit-build", ["tests/host/build_test.py", self.options.build], 120),
                 ("tools/image-layout", ["tests/host/image_layout_test.py"] +
                  ["%s/%s/tangram.elf" % (self.build, role) for role in ("processor", "memory", "storage")], 60),
                 ("tools/runner", ["tests/host/run_checks_test.py"], 60),
                 ("tools/setup", ["scripts/setup_test.py"], 60),
                 ("tools/wire", ["tools/wire/wire_test.py", self.build + "/tools/tangram-wire"], 120),
                 ("tools/programs", ["user/programs_test.py", self.build + "/user"], 300),
                 ("tools/images", ["scripts/tangramlib/image_test.py"], 120),
                 ("tools/capture", ["tests/interop/capture_test.py"], 60),
                 ("tools/logs", ["scripts/tangramlib/logs_test.py"], 120),
                 ("tools/tangram", ["tests/system/tool_test.py"], 400))
        for name, command, limit in tests:
            if self.wanted(name):
                self.run_twice(name, [PYTHON] + command, limit * cases.PATIENCE)
        for name in ("fuzz", "fuzz-coverage"):
            if self.wanted(name):
                self.run(name, MAKE + ["O=" + self.options.build, "check-" + name], 600)

    def system(self):
        for case in cases.all_cases():
            if self.wanted("system/" + case.name):
                self.run_cluster(case, case.limit)

    def all(self):
        only = self.options.only
        self.builds()           # where it fails, what was built before may still tell something: go on
        self.lines("unit", "check-unit")
        self.lines("model", "check-models")
        self.tools()
        self.lines("interop", "check-interop", twice=True)
        self.system()
        if only and not self.options.list and not self.wanted("build/gcc") and self.passed + self.failed == 1:
            self.result("T=" + only, False, 0, "no test's name contains that")

    @staticmethod
    def interop_parts():
        out = subprocess.run([PYTHON, "tests/interop/cases.py", "--parts"], stdout=subprocess.PIPE, check=True, cwd=ROOT)
        return out.stdout.decode().split()

    # The long selections: a part is what has `part=` in tests/system, or one of these commands.

    def parts(self):
        own = MAKE + ["O=" + self.options.build, "T=" + (self.options.only or "")]
        fuzz = own + ["FUZZ_SECONDS=600", "check-fuzz", "check-fuzz-coverage"]
        commands = {"fuzz": fuzz + ["FUZZ_OF=peers"], "fuzz-files": fuzz + ["FUZZ_OF=files"],
                    "models": own + ["check-models-long"], "schedules": own + ["check-schedules"], "tsan": own + ["check-tsan"]}
        return commands, sorted({case.part for case in cases.every_case() if case.part} | set(commands) | set(self.interop_parts()))

    def long(self, part):
        """One part, within PART_SECONDS: what did not get its turn by then has failed."""
        commands, known = self.parts()
        if part not in known:
            self.result("long/" + part, False, 0, "no such part: one of %s" % ", ".join(known))
            return
        deadline = time.monotonic() + PART_SECONDS
        if part in self.interop_parts():
            os.environ["TANGRAM_LONG"] = part
            self.lines("interop", "check-interop", twice=True, limit=PART_SECONDS)
            return
        if part in commands:
            self.run("long/" + part, commands[part], PART_SECONDS)
            return
        self.run("build/gcc", MAKE + ["O=" + self.options.build, "kernel", "tools", "user-programs", "images", "debian-stress-image"], 900)
        for case in cases.all_cases(part):
            left = deadline - time.monotonic()
            if not self.wanted(case.name):
                continue
            if left <= 0 and not self.options.list:
                self.result("system/" + case.name, False, 0, "no time was left for it")
            else:
                self.run_cluster(case, min(case.limit, max(left, 1)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", help="the build folder")
    parser.add_argument("--only", help="tests whose name contains this")
    parser.add_argument("--long", metavar="PART", help="a part of the long selections instead; '' names them")
    parser.add_argument("--list", action="store_true", help="name the tests")
    options = parser.parse_args()
    os.chdir(ROOT)
    checks = Checks(options)
    signal.signal(signal.SIGTERM, cases.ended)          # what runs goes down with it
    try:
        if options.long == "":
            print("make check-long PART=%s" % "|".join(checks.parts()[1]))
            return 0
        if options.long is not None:
            checks.long(options.long)
        else:
            checks.all()
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    if not options.list:
        if checks.unsteady > UNSTEADY_ALLOWED:
            checks.result("steadiness", False, 0, "%d of the clusters above passed only when run again" % checks.unsteady)
        print("%d passed, %d failed%s" % (checks.passed, checks.failed,
                                          ", %d of those passed unsteady" % checks.unsteady if checks.unsteady else ""), flush=True)
    return 1 if checks.failed or not checks.passed and not options.list else 0


if __name__ == "__main__":
    sys.exit(main())
