#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tests of scripts/setup, with stand-ins for Debian's tools: it installs what is missing, as root, and nothing else."""

import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
SETUP = os.path.join(ROOT, "scripts", "setup")
FAKES = {
    "dpkg-query": 'for p; do :; done; case " $INSTALLED " in *" $p "*) echo installed;; *) exit 1;; esac',
    "apt-get": 'echo "apt-get $*" >> "$LOG"; case "$1" in install) exit "${APT:-0}";; esac',
    "id": 'echo "${WHO:-0}"',
    "sudo": 'echo sudo >> "$LOG"; exec "$@"',
    "su": 'echo su >> "$LOG"; exec sh -c "$3"',
}


def packages():
    with open(os.path.join(ROOT, "scripts", "packages.txt")) as file:
        return [word for line in file if ":" in line and not line.startswith("#") for word in line.split(":", 1)[1].split()]


class Setup(unittest.TestCase):
    def setup_with(self, *words, missing=(), without=(), **env):
        """(status, what was called, stderr) where these packages are missing and these tools are not there."""
        with tempfile.TemporaryDirectory() as folder:
            for name, script in FAKES.items():
                if name not in without:
                    with open(os.path.join(folder, name), "w") as file:
                        file.write("#!/bin/sh\n%s\n" % script)
                    os.chmod(os.path.join(folder, name), 0o755)
            for name in ("sed", "dirname", "readlink", "sh"):
                os.symlink("/bin/" + name, os.path.join(folder, name))
            log = os.path.join(folder, "log")
            open(log, "w").close()
            installed = " ".join(p for p in packages() if p not in missing)
            done = subprocess.run(["/bin/sh", SETUP, *words], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                  env={"PATH": folder, "INSTALLED": installed, "LOG": log, **env})
            with open(log) as file:
                return done.returncode, file.read(), done.stderr

    def test_nothing_missing(self):
        self.assertEqual(self.setup_with(), (0, "", ""))

    def test_installs_as_root(self):
        status, called, err = self.setup_with(missing=("spin", "tshark"))
        self.assertEqual(status, 0, err)
        self.assertEqual(called, "apt-get update -q\napt-get install -q -y --no-install-recommends spin tshark\n")

    def test_asks_for_root(self):
        for without, how in (((), "sudo"), (("sudo",), "su")):
            status, called, err = self.setup_with(missing=("spin",), without=without, WHO="1000")
            self.assertEqual((status, called.split("\n")[0]), (0, how), err)
            self.assertIn("install -q -y --no-install-recommends spin", called)

    def test_purposes(self):
        self.assertEqual(self.setup_with("run", missing=("spin",))[:2], (0, ""))
        self.assertIn("gcc", self.setup_with("run", missing=("gcc", "spin"))[1])
        self.assertEqual(self.setup_with("dance")[0], 2)
        self.assertEqual(self.setup_with(missing=("python3-matplotlib",))[:2], (0, ""))     # the benchmark's alone
        self.assertIn("python3-matplotlib", self.setup_with("bench", missing=("python3-matplotlib",))[1])

    def test_failures(self):
        status, called, err = self.setup_with("--check", missing=("spin",))
        self.assertEqual((status, called), (1, ""))
        self.assertIn("spin", err)
        self.assertNotEqual(self.setup_with(missing=("spin",), APT="100")[0], 0)
        self.assertEqual(self.setup_with(without=("dpkg-query",))[0], 1)


if __name__ == "__main__":
    unittest.main()
