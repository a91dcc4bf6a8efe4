#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tests of the log tools over recorded logs, truncated ones included."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import types
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.dont_write_bytecode = True

from tangramlib import counters, decode                 # noqa: E402
from tangramlib.host import TangramError                # noqa: E402

LOG = b"""\
[    0.000012] info processor/0: Tangram, processor node
[    1.204518] info processor/1: nr_pgfault: 100
[    1.204519] info processor/1: nr_pgfault_wp: 0
[    2.500001] info processor/1: word_count: exit status 0
[    2.500002] info processor/1: nr_pgfault: 4711
[    2.500003] info processor/1: nr_pcache_fill_from_memory: 42
"""


class Counters(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_dir(self, name, **logs):
        path = os.path.join(self.folder, name)
        os.mkdir(path)
        for log, data in logs.items():
            with open(os.path.join(path, log.replace("_", ".")), "wb") as file:
                file.write(data)
        return path

    def output(self, *folders, **options):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            counters.main(types.SimpleNamespace(folders=folders, csv=options.get("csv"), all=options.get("all")))
        return out.getvalue()

    def test_table(self):
        one = self.run_dir("one", processor_log=LOG)
        self.assertEqual(self.output(one), "node       counter                      one\n"
                                           "processor  nr_pgfault                  4711\n"
                                           "processor  nr_pcache_fill_from_memory    42\n")
        self.assertIn("nr_pgfault_wp ", self.output(one, all=True))

    def test_difference_and_csv(self):
        one = self.run_dir("one", processor_log=LOG)
        facts = {"nodes": {"memory": {"counters": {"nr_fill_served": 40}}}}
        two = self.run_dir("two", processor_log=LOG.replace(b"4711", b"5000"), run_json=json.dumps(facts).encode())
        self.assertEqual(self.output(one, two, csv=True).splitlines(),
                         ["node,counter,one,two,difference", "processor,nr_pgfault,4711,5000,289",
                          "processor,nr_pcache_fill_from_memory,42,42,0", "memory,nr_fill_served,,40,40"])

    def test_truncated_anywhere(self):
        for at in range(len(LOG)):
            folder = self.run_dir("cut%d" % at, processor_log=LOG[:at], run_json=b'{"nodes": {"memory": {"coun')
            whole = LOG[:at].count(b"\n")
            if whole < 2:
                self.assertRaisesRegex(TangramError, "no counters", self.output, folder)
            else:
                self.assertIn("4711" if whole >= 5 else "100", self.output(folder, all=True))

    def test_junk(self):
        folder = self.run_dir("junk", processor_log=LOG + bytes(range(256)) * 10 + b"\n" + LOG)
        self.assertIn("4711", self.output(folder))
        self.assertRaises(TangramError, self.output, os.path.join(self.folder, "none"))


class Decode(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        source, self.elf = os.path.join(folder.name, "x.c"), os.path.join(folder.name, "x.elf")
        with open(source, "w") as file:
            file.write("int first(int a)\n{\n\treturn a + 1;\n}\nint second(int a)\n{\n\treturn first(a);\n}\n")
        subprocess.run(["gcc", "-g", "-O0", "-nostdlib", "-static", "-mcmodel=kernel", "-Wl,-Ttext=0xffffffff80100000,-esecond",
                        "-fno-pie", "-no-pie", "-o", self.elf, source], check=True)
        symbols = subprocess.run(["nm", self.elf], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.address = {line.split()[2]: line.split()[0] for line in symbols.splitlines()}

    def decoded(self, *lines):
        names = {0x100: "memory_fill", 0x20c: "storage_read"}
        return list(decode.decode(lines, {"processor": decode.Kernel(self.elf)}, names))

    def test_addresses(self):
        first, second = self.address["first"], self.address["second"]
        out = self.decoded("[    1.000000] error processor/0:  0x%s" % first, " %s called" % second,
                           "[    1.000001] error memory/0: 0x%s" % first, "ffffffff80999999 0xffffffff", "ffffffff8")
        self.assertRegex(out[0], r"0x%s \(first, .*x\.c:2\)$" % first)
        self.assertRegex(out[1], r" %s \(second, .*x\.c:6\) called$" % second)
        self.assertEqual(out[2], "[    1.000001] error memory/0: 0x%s" % first)
        self.assertEqual(out[3:], ["ffffffff80999999 0xffffffff", "ffffffff8"])

    def test_rpc_numbers(self):
        self.assertEqual(self.decoded("call op 0x100 to node 2", "opcode=0x20c", "rpc: 0x999", "op 0x100 (memory_fill)"),
                         ["call op 0x100 (memory_fill) to node 2", "opcode=0x20c (storage_read)", "rpc: 0x999",
                          "op 0x100 (memory_fill)"])

    def test_truncated_anywhere(self):
        """A log that ends in the middle of a line: the whole lines are as ever, and the rest is shown as it is, or decoded."""
        text = ("[    1.000000] err processor/0: panic: page fault\n[    1.000001] err processor/0:   0x%s first+0x4\n"
                "[    1.000002] info processor/0: call op 0x100 to node 2\n[    1.000003] err processor/0:   0x%s second+0x9\n"
                % (self.address["first"], self.address["second"]))
        whole = self.decoded(*text.splitlines())
        for at in range(0, len(text), 7):
            lines = text[:at].split("\n")
            out = self.decoded(*lines)
            self.assertEqual(out[:-1], whole[:len(lines) - 1])
            self.assertEqual(re.sub(r" \([^)]*\)", "", out[-1]), lines[-1])        # what is added stands in brackets

    def test_names_come_from_the_definition(self):
        self.assertIn("memory_fill", decode.rpc_names().values())

    def test_empty(self):
        self.assertEqual(self.decoded(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
