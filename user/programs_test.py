#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs our programs on this machine's Linux. Usage: programs_test.py FOLDER-OF-PROGRAMS [TEST...]"""

import collections
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import unittest

FOLDER = None
LIMIT = 280         # seconds: a program that hangs, on however busy a machine


def run(name, *args, env=None, stdin=b""):
    """(status, stdout, stderr) of one of our programs."""
    environment = dict(os.environ, **(env or {}))
    process = subprocess.Popen([os.path.join(FOLDER, name), *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment, start_new_session=True)
    try:
        out, err = process.communicate(stdin, LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate(timeout=10)
        raise AssertionError("%s %s: not done after %d s; it said: %r %r" % (name, " ".join(args), LIMIT, out[-500:], err[-500:]))
    return process.returncode, out, err


def expected_counts(data, top):
    """What word_count must print below its second line."""
    counts = collections.Counter(re.findall(rb"[A-Z]+", data.upper()))
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return b"".join(b"%s: %d\n" % item for item in order[:top])


class WordCount(unittest.TestCase):
    PROGRAMS = ("word_count", "word_count-dyn", "word_count-seq", "word_count-seq-dyn")

    def check(self, data, top=10, programs=PROGRAMS, threads=(1, 2, 5)):
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            for program in programs:
                for n in (threads if "seq" not in program else (1,)):
                    for how in ("read", "map"):
                        status, out, err = run(program, file.name, str(top), env={"WC_THREADS": str(n), "WC_TEXT": how})
                        self.assertEqual((status, err), (0, b""))
                        lines = out.split(b"\n", 2)
                        self.assertEqual(lines[0], b"Wordcount: Running...")
                        self.assertRegex(lines[1], rb"^Word Count: Computation Completed [0-9]+\.[0-9]+ sec$")
                        self.assertEqual(lines[2], expected_counts(data, top))

    def test_small(self):
        for data in (b"", b"\n", b"a", b"a b A", b"b a", b"don't stop", b"x" * 100000, b"a1b2c3\0d\xffe\xe4f", b" a ",
                     b"q " * 4096, b"word" * 1024):
            self.check(data)

    def test_ties_in_byte_order(self):
        self.check(b"pear apple fig pea date app apples", 100)

    def test_random(self):
        rng = random.Random(1)
        words = [bytes(rng.choice(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJ") for _ in range(rng.randint(1, 9)))
                 for _ in range(5000)]
        data = b"".join(words[int(rng.paretovariate(0.7)) % 5000] + rng.choice([b" ", b"\n", b", ", b"-", b"1"])
                        for _ in range(300000))
        for top in (0, 1, 10, 1000000):
            self.check(data, top, threads=(1, 3, 16))

    def test_default_top_and_threads(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b" ".join(b"%c" % c for c in range(65, 91)))
            file.flush()
            self.assertEqual(run("word_count", file.name)[1].count(b"\n"), 12)

    def test_errors(self):
        with tempfile.TemporaryDirectory() as folder:
            for args, env, text in (
                    ([], {}, b"usage: "), (["a", "b", "c"], {}, b"usage: "), ([__file__, "x"], {}, b"usage: "),
                    ([__file__, "-1"], {}, b"usage: "), ([folder + "/none"], {}, b"none: No such file or directory"),
                    ([folder], {}, b"Is a directory"), ([__file__], {"WC_TEXT": "x"}, b"WC_TEXT")):
                for program in self.PROGRAMS:
                    status, out, err = run(program, *args, env=env)
                    self.assertEqual((status, out), (1, b""), (program, args))
                    self.assertIn(text, err)
            for bad in ("0", "-1", "x", "9999"):
                self.assertEqual(run("word_count", __file__, env={"WC_THREADS": bad})[0], 1)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            self.assertEqual(subprocess.run([os.path.join(FOLDER, "word_count"), __file__], stdout=full,
                                            stderr=subprocess.PIPE).returncode, 1)


class TestPrograms(unittest.TestCase):
    def ok(self, name, *args, **kwargs):
        status, out, err = run(name, *args, **kwargs)
        self.assertEqual(status, 0, err)
        self.assertRegex(out, rb"(?m)^%s: OK" % name.encode())
        return out

    def test_each(self):
        for line in ("memtest 8", "memtest 8 4", "memtest 3 7 5", "futex_pingpong", "futex_pingpong 100 8", "threads",
                     "fork_cow", "fork_cow 1 8 4", "mremap_test", "mprotect_test", "mprotect_test nosignals",
                     "fork_storm", "unmap_test", "pcache_stress 3", "pcache_stress 3 7",
                     "avx_regs 8 300", "bad_pointers", "bss_zero", "hello", "signals", "sockets", "processes 500", "fault_time", "map_time 8", "tty"):
            with self.subTest(line):
                self.ok(*line.split())

    def test_remote_fault(self):
        line = rb"%s threads %d pages %d ms \d+ pages/s \d+ median \d+ p99 \d+ ns remote \d+ median \d+ ns\n"
        for words, wanted in (("seq read 4", (b"seq-read", 1, 1024)), ("random write 4 3", (b"random-write", 3, 1024)),
                              ("7 read 2 2 3", (b"7-read", 2, 1536))):
            status, out, err = run("remote_fault", *words.split())
            self.assertEqual((status, err), (0, b""), words)
            self.assertRegex(out, b"^" + line % wanted + b"$")
        self.assertEqual(run("remote_fault", "seq", "read", "4", "1", "0"), (0, b"", b""))
        for words in ("", "seq read", "odd read 4", "seq neither 4", "seq read 0", "seq read 4 0", "seq read 4 65"):
            status, out, err = run("remote_fault", *words.split())
            self.assertEqual((status, out), (2, b""), words)
            self.assertIn(b"usage", err)

    def test_errnos_cleans_up(self):
        """Also the machine's devices are as they were."""
        devices = ["/dev/full", "/dev/null", "/dev/zero"]
        before = [os.stat(name).st_mode for name in devices]
        with tempfile.TemporaryDirectory() as folder:
            self.ok("errnos", folder)
            self.assertEqual(os.listdir(folder), [])
        self.assertEqual([os.stat(name).st_mode for name in devices], before)

    def test_fill_disk(self):
        with tempfile.TemporaryDirectory() as folder:
            status, out, err = run("fill_disk", folder, "2")        # this disk has room: which the program must notice
            self.assertEqual((status, out), (1, b""))
            self.assertIn(b"2 MB written", err)

    def test_every_call(self):
        with tempfile.TemporaryDirectory() as folder:
            self.ok("every_call", folder, "2")
            self.assertEqual(os.listdir(folder), [])

    def test_file_stress(self):
        with tempfile.TemporaryDirectory() as folder:
            self.ok("file_stress", folder, "2", "7")
            left = sorted(os.listdir(folder))
            self.assertEqual(left, ["stress-%d-%da" % (p, n) for p in range(3) for n in range(2)] + ["stress-log"])
            self.ok("file_stress", folder, "0", "7")
            status, out, err = run("file_stress", folder, "0", "8")         # another run's files
            self.assertEqual((status, out), (1, b""))
            with open(os.path.join(folder, left[3]), "r+b") as file:
                file.seek(100)
                byte = file.read(1)[0]
                file.seek(100)
                file.write(bytes([byte ^ 1]))
            status, out, err = run("file_stress", folder, "0", "7")
            self.assertEqual((status, out), (1, b""))
            self.assertRegex(err, b"stress-1-1a: byte 100 of [0-9]+ is 0x%x, should be 0x%x" % (byte ^ 1, byte))

    def test_mapped_files(self):
        with tempfile.TemporaryDirectory() as folder:
            self.ok("mapped_files", folder)
            for number, way in enumerate(("msync", "munmap", "exit", "exec", "kill"), 1):
                with open(os.path.join(folder, way), "rb") as file:
                    self.assertEqual(file.read(), b"".join((number * (i + 1)).to_bytes(8, "little") for i in range(96 * 512)))

    def test_map_slowly(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(run("map_slowly", folder + "/file", "1000", "0"), (0, b"mapped\nmap_slowly: OK 1000 pages\n", b""))

    def test_hello(self):
        for name in ("hello", "hello-dyn"):
            self.assertEqual(run(name, "to stderr"), (0, b"hello, world\nhello: OK\n", b"to stderr"))

    def test_exit_status(self):
        for n in (0, 1, 42, 255):
            self.assertEqual(run("exit_status", str(n))[0], n)
        for n in (signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1):
            self.assertEqual(run("exit_status", "-s", str(int(n)))[0], -n)

    def test_segv(self):
        for how in ("read", "write", "exec", "text", "kernel", "noncanonical", "stack"):
            self.assertEqual(run("segv", how)[0], -signal.SIGSEGV, how)
        self.assertEqual(run("segv", "div")[0], -signal.SIGFPE)
        self.assertEqual(run("segv", "ill")[0], -signal.SIGILL)

    def test_args_env(self):
        out = self.ok("args_env", "a b", "", env={"X": "1 2"})
        self.assertIn(b"arg 1 a b\narg 2 \n", out)
        self.assertIn(b"env X=1 2\n", out)

    def test_stdin_cat(self):
        data = os.urandom(300000)
        self.assertEqual(run("stdin_cat", stdin=data), (0, data, b"stdin_cat: OK 300000 bytes\n"))


if __name__ == "__main__":
    FOLDER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
