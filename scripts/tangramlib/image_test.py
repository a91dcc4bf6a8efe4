#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tests of the image tools, as whoever runs them; run them as root and as an ordinary user."""

import filecmp
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.dont_write_bytecode = True

from tangramlib import image, text                                      # noqa: E402
from tangramlib.host import TangramError, find_program, format_size, parse_size   # noqa: E402


class Images(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="image-test-")
        self.addCleanup(self.folder.cleanup)
        self.image = self.path("x.img")

    def path(self, name, content=None, mode=0o644):
        path = os.path.join(self.folder.name, name)
        if content is not None:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
            os.chmod(path, mode)
        return path

    def make(self, block_size=4096, size=None):
        self.path("tree/bin/run", b"#!/x\n" * 1000, 0o755)
        self.path("tree/etc/note", b"hello\n")
        os.makedirs(self.path("tree/tmp"))
        os.chmod(self.path("tree/tmp"), 0o1777)
        os.symlink("../etc/note", self.path("tree/bin/link"))
        image.make_image(self.path("tree"), self.image, block_size, size)

    def stat(self, path):
        """(uid, gid, mode) as debugfs shows them."""
        out = subprocess.run([find_program("debugfs"), "-R", "stat " + path, self.image], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL).stdout.decode()
        mode = re.search(r"Mode:\s+(\d+)", out).group(1)
        return (*re.search(r"User:\s+(\d+)\s+Group:\s+(\d+)", out).groups(), mode)

    def assert_clean(self):
        clean, said = image.check_image(self.image)
        self.assertTrue(clean, said)

    def test_all_is_roots_in_every_block_size(self):
        for size in (1024, 2048, 4096):
            self.make(size)
            self.assert_clean()
            for path, mode in (("/", "0755"), ("/bin", "0755"), ("/bin/run", "0755"), ("/etc/note", "0644"),
                               ("/tmp", "01777"), ("/bin/link", "0777"), ("/lost+found", "0700")):
                self.assertEqual(self.stat(path), ("0", "0", mode), path)
            subprocess.run(["rm", "-r", self.path("tree")], check=True)

    def test_add_and_get(self):
        self.make()
        data = os.urandom(3 << 20)
        self.path("new/deep/er/data", data)
        self.path("new/program", b"#!", 0o700)
        self.path("new/with blank", b"b")
        os.symlink("program", self.path("new/link"))
        image.add_files(self.image, [(self.path("new"), "/opt/new"), (self.path("new/program"), "/etc/note"),
                                     (self.path("new/with blank"), "/a/b c/d")])
        self.assert_clean()
        self.assertEqual(self.stat("/opt/new/deep/er/data"), ("0", "0", "0644"))
        self.assertEqual(self.stat("/opt/new/program"), ("0", "0", "0755"))
        self.assertEqual(self.stat("/etc/note"), ("0", "0", "0755"))
        self.assertEqual(self.stat("/opt/new/link")[:2], ("0", "0"))
        image.get_file(self.image, "/opt/new/deep/er/data", self.path("out"))
        self.assertTrue(filecmp.cmp(self.path("out"), self.path("new/deep/er/data"), shallow=False))
        image.get_file(self.image, "/opt/new", self.path("folder"))
        self.assertTrue(filecmp.cmp(self.path("folder/deep/er/data"), self.path("new/deep/er/data"), shallow=False))
        image.get_file(self.image, "/a/b c/d", self.path("out"))
        with open(self.path("out"), "rb") as file:
            self.assertEqual(file.read(), b"b")

    def test_add_again_into_same_folder(self):
        self.make()
        self.path("one", b"1")
        image.add_files(self.image, [(self.path("one"), "/x/y/one")])
        image.add_files(self.image, [(self.path("one"), "/x/y/two"), (self.path("one"), "/x/y/one")])
        self.assert_clean()
        image.get_file(self.image, "/x/y/two", self.path("out"))

    def test_image_grows(self):
        self.make(size=8 << 20)
        self.path("large", os.urandom(20 << 20))
        image.add_files(self.image, [(self.path("large"), "/large")])
        self.assert_clean()
        image.get_file(self.image, "/large", self.path("out"))
        self.assertTrue(filecmp.cmp(self.path("out"), self.path("large"), shallow=False))

    def test_errors(self):
        self.make()
        for pairs in ([(self.path("none"), "/x")], [(self.path("tree"), "x")], [(self.path("tree"), "/")]):
            with self.assertRaises(TangramError):
                image.add_files(self.image, pairs)
        with self.assertRaisesRegex(TangramError, "does not exist in the image"):
            image.get_file(self.image, "/none", self.path("out"))
        self.path("junk", b"x" * 100000)
        with self.assertRaisesRegex(TangramError, "not an ext4 image"):
            image.add_files(self.path("junk"), [(self.path("tree/etc/note"), "/x")])
        with self.assertRaises(TangramError):
            image.make_image(self.path("tree"), self.path("small"), size=100 << 10)
        self.assertFalse(os.path.exists(self.path("small.new")))

    def test_copy(self):
        self.make()
        image.copy_sparse(self.image, self.path("copy"))
        self.assertTrue(filecmp.cmp(self.image, self.path("copy"), shallow=False))


class Texts(unittest.TestCase):
    def test_scaled(self):
        one = text.scaled(1 << 20, seed=3, marker=b"qqmarkerqq")
        self.assertEqual(len(one), 1 << 20)
        self.assertEqual(one.count(b"qqmarkerqq"), 1)
        self.assertEqual(one, text.scaled(1 << 20, seed=3, marker=b"qqmarkerqq"))
        self.assertTrue(one.endswith(b"\n"))

    def test_sizes(self):
        for said, size in (("1", 1), ("4K", 4096), ("16M", 16 << 20), ("1g", 1 << 30), ("2MiB", 2 << 20)):
            self.assertEqual(parse_size(said), size)
        for bad in ("", "x", "1.5M", "-1", "4KK"):
            self.assertRaises(ValueError, parse_size, bad)
        self.assertEqual([format_size(n) for n in (16 << 20, 1 << 30, 4096, 100)], ["16M", "1G", "4K", "100"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
