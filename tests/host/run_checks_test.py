#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The runner of all checks: what it says of clusters that pass, fail, or fail the first time only."""

import contextlib
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import types
import unittest

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
spec = importlib.util.spec_from_file_location("run_checks", os.path.join(ROOT, "tests", "run-checks.py"))
run_checks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_checks)


class RunnerTest(unittest.TestCase):
    def run_with(self, *outcomes):
        """The runner and what it prints, where the tries of one cluster end so one after the other."""
        with tempfile.TemporaryDirectory() as build, contextlib.redirect_stdout(io.StringIO()) as out:
            checks = run_checks.Checks(types.SimpleNamespace(build=build, only=None, list=False))
            tries = iter(outcomes)

            def passes(command, limit, log):
                good = next(tries)
                with open(log, "w") as file:
                    file.write("fine\n" if good else "why it failed\n")
                return good
            checks.passes = passes
            checks.run_cluster(types.SimpleNamespace(name="some"), 1)
            self.assertEqual(list(tries), [])
            return checks, out.getvalue()

    def test_passes(self):
        checks, out = self.run_with(True)
        self.assertEqual((checks.passed, checks.failed, checks.unsteady), (1, 0, 0))
        self.assertRegex(out, r"^ok   system/some [0-9.]+\n$")

    def test_fails_twice(self):
        checks, out = self.run_with(False, False)
        self.assertEqual((checks.passed, checks.failed, checks.unsteady), (0, 1, 0))
        self.assertRegex(out, r"^FAIL system/some \S+some\.log\n    \| why it failed\n$")

    def test_fails_once(self):
        checks, out = self.run_with(False, True)
        self.assertEqual((checks.passed, checks.failed, checks.unsteady), (1, 0, 1))
        self.assertRegex(out, r"^UNSTEADY system/some \S+some\.first\.log\n    \| why it failed\nok   system/some ")

    def test_line_that_fails_once(self):
        """A target of make with a line for each test, one of which fails."""
        with tempfile.TemporaryDirectory() as build, contextlib.redirect_stdout(io.StringIO()) as out:
            checks = run_checks.Checks(types.SimpleNamespace(build=build, only=None, list=False))
            script = "echo ok some fine; echo why > %s/its.log; echo FAIL some other %s/its.log; exit 1" % (build, build)
            again = []

            def passes(command, limit, log):
                again.append(command[-1])
                return True
            checks.passes = passes
            make, run_checks.MAKE = run_checks.MAKE, ["sh", "-c", script]
            try:
                checks.lines("some", "check-some", twice=True)
            finally:
                run_checks.MAKE = make
        self.assertEqual((checks.passed, checks.failed, checks.unsteady, again), (2, 0, 1, ["T=other"]))
        self.assertRegex(out.getvalue(), r"(?s)^ok   some/fine .*UNSTEADY some/other \S+\n    \| why\nok   some/other ")

    def test_lines_that_do_not_end(self):
        """A target that hangs after its first lines is ended, and so is what ignores that; it has failed, and what failed is tried again."""
        with tempfile.TemporaryDirectory() as build, contextlib.redirect_stdout(io.StringIO()) as out:
            checks = run_checks.Checks(types.SimpleNamespace(build=build, only=None, list=False))
            tries = []

            def passes(command, limit, log):
                tries.append(limit)
                return False
            checks.passes = passes
            make, run_checks.MAKE = run_checks.MAKE, ["sh", "-c", "echo ok some fine; echo FAIL some other; sleep 300; sleep 300"]
            try:
                checks.lines("some", "check-some", twice=True, limit=1)
            finally:
                run_checks.MAKE = make
            with open(os.path.join(build, "check", "some.log")) as file:
                self.assertIn("*** not done after 1 s", file.read())
        self.assertEqual((checks.passed, checks.failed), (1, 2))
        self.assertEqual(tries, [1])
        self.assertRegex(out.getvalue(), r"FAIL some/all ")

    def test_lines_that_end_early(self):
        """A target that dies after its first good line, or says nothing, has failed."""
        for script, passed in (("echo ok some fine; exit 2", 1), ("exit 0", 0)):
            with tempfile.TemporaryDirectory() as build, contextlib.redirect_stdout(io.StringIO()):
                checks = run_checks.Checks(types.SimpleNamespace(build=build, only=None, list=False))
                make, run_checks.MAKE = run_checks.MAKE, ["sh", "-c", script]
                try:
                    checks.lines("some", "check-some")
                finally:
                    run_checks.MAKE = make
            self.assertEqual((checks.passed, checks.failed), (passed, 1))

    @contextlib.contextmanager
    def makes_of(self, rules, only, **variables):
        """The runner below a make with these variables, where the Makefile of the tree has these rules for any target."""
        with tempfile.TemporaryDirectory() as root, contextlib.redirect_stdout(io.StringIO()):
            with open(os.path.join(root, "Makefile"), "w") as file:
                file.write(".DEFAULT:\n" + "".join("\t@%s\n" % rule for rule in rules))
            was, run_checks.ROOT, before = run_checks.ROOT, root, os.environ.get("MAKEFLAGS")
            os.environ["MAKEFLAGS"] = " -- " + " ".join("%s=%s" % one for one in variables.items())
            try:
                yield run_checks.Checks(types.SimpleNamespace(build="build", only=only, long=None, list=False))
            finally:
                run_checks.ROOT = was
                del os.environ["MAKEFLAGS"]
                if before is not None:
                    os.environ["MAKEFLAGS"] = before

    def test_takes_no_name_from_the_make_around_it(self):
        """`make check T=fuzz` is about the runner's tests: no target takes it for the name of one of its own."""
        with self.makes_of(['test -z "$(T)$(M)"'], "fuzz", T="fuzz", M="word") as checks:
            checks.wanted = lambda name: not name.startswith("tools/")
            checks.builds()
            checks.tools()
        self.assertEqual((checks.passed, checks.failed), (7, 0))

    def test_takes_the_names_that_have_it(self):
        names = ["its/first", "other", "not-its"]
        for kind, name in (("unit", "T"), ("interop", "T"), ("model", "M")):
            for word, some in (("its", "its/first_not-its"), (kind + "/its", "its/first"), (kind, "its/first_other_not-its"), ("none", None)):
                rule = "echo ok %s '<$(subst $() ,_,$(T))><$(subst $() ,_,$(M))>'" % kind
                with self.makes_of([rule], word, T=word, M="word") as checks:
                    seen = []
                    checks.result = lambda *what: seen.append(what[:2])
                    checks.names_of = lambda kind: names
                    checks.lines(kind, "check-some")
                here = "<%s><>" if name == "T" else "<><%s>"
                self.assertEqual(seen, [] if some is None else [("%s/%s" % (kind, here % some), True)])

    def test_no_test_has_it(self):
        """A name that nothing has is no success, though the build that comes before all is good."""
        with self.makes_of(["true"], "nothing-has-this") as checks:
            checks.names_of = lambda kind: ["its", "other"]
            checks.all()
        self.assertEqual((checks.passed, checks.failed), (1, 1))

    def test_no_fuzzer(self):
        """A selection that no fuzzer is in."""
        for command in (["sh", "tests/fuzz/run.sh"], [run_checks.PYTHON, "tests/fuzz/coverage.py"]):
            with tempfile.TemporaryDirectory() as folder:
                done = subprocess.run(command + [folder] + ["", ""] * ("run.sh" in command[1]), cwd=ROOT, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, check=False)
            self.assertNotEqual(done.returncode, 0, command)
            self.assertIn(b"FAIL fuzz", done.stdout)


if __name__ == "__main__":
    unittest.main()
