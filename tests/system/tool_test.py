#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Tests of scripts/tangram with fake nodes (fake_node.py): what the tool promises, whatever the kernels do.
Usage: tool_test.py [TEST...]; BUILD by TANGRAM_BUILD.
"""

import glob
import json
import os
import pty
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("TANGRAM_BUILD", os.path.join(ROOT, "build"))
IMAGE = os.path.join(BUILD, "images", "default.img")
TOOL = os.path.join(ROOT, "scripts", "tangram")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "scripts"))

from tangramlib.balance import HELD                     # noqa: E402


# A system test that keeps a cluster up until it is ended
WAITS = """
import sys, time
sys.path.insert(0, sys.argv[1])
import cases

@cases.case()
def waits(bed):
    assert bed.tangram("up", "--quiet", "--name", "five", "--log-dir", bed.path("log")).status == 0
    try:
        print("up", flush=True)
        time.sleep(300)
    finally:
        bed.tangram("down", "five")

sys.exit(cases.main(["waits"]))
"""


def leftovers(marker):
    """Processes and sockets of runs whose command line, environment or folder shows the marker."""
    found = []
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(folder + "/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace")
            with open(folder + "/environ", "rb") as file:
                environment = file.read().decode(errors="replace")
        except OSError:
            continue
        if marker in line + environment and int(folder.split("/")[2]) != os.getpid():
            found.append(line)
    return found + [path for path in glob.glob(os.path.join(marker, "tangram-*")) if "tangram-clusters" not in path]


class Tool(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tt-", dir="/tmp")
        self.addCleanup(self.folder.cleanup)
        self.tmp = os.path.join(self.folder.name, "t")      # TMPDIR: all private folders are below it
        os.mkdir(self.tmp)
        self.env = dict(os.environ, TANGRAM_QEMU=os.path.join(HERE, "fake_node.py"), TANGRAM_BUILD=BUILD,
                        TANGRAM_FAKE_PROGRAMS=os.path.join(BUILD, "user"), TMPDIR=self.tmp,
                        XDG_RUNTIME_DIR=self.tmp)
        self.env.pop("TANGRAM_FAKE", None)

    def path(self, name, content=None):
        path = os.path.join(self.folder.name, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content)
        return path

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def command(self, *options, program=()):
        words = [TOOL, *options]
        if options and options[0] in ("run", "up"):
            words += ["--log-dir", self.path("log")]
        return words + (["--", *program] if program else [])

    def run_tool(self, *options, program=(), fake="", stdin=b"", timeout=60, env=None):
        """(status, stdout, stderr); afterwards nothing may be left."""
        done = subprocess.run(self.command(*options, program=program), input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=dict(self.env, TANGRAM_FAKE=fake, **(env or {})),
                              timeout=timeout)
        self.assert_nothing_left()
        return done.returncode, done.stdout, done.stderr.decode()

    def assert_nothing_left(self, seconds=5):
        deadline = time.monotonic() + seconds
        while leftovers(self.tmp):
            self.assertLess(time.monotonic(), deadline, leftovers(self.tmp))
            time.sleep(0.05)

    def assert_own_lines(self, text):
        for line in text.splitlines():
            self.assertTrue(line.startswith("tangram: "), line)

    def test_streams_are_exact(self):
        data = os.urandom(2000000)
        status, out, err = self.run_tool("run", "--quiet", program=["stdin_cat"], stdin=data)
        self.assertEqual((status, err), (0, "stdin_cat: OK 2000000 bytes\n"))
        self.assertTrue(out == data)
        file = self.path("in", data[:70001])
        status, out, err = self.run_tool("run", "--quiet", "--stdin", file, program=["stdin_cat"], stdin=b"not this")
        self.assertEqual((status, out == data[:70001]), (0, True))
        status, out, err = self.run_tool("run", program=["hello", "to stderr\n"])
        self.assertEqual((status, out), (0, b"hello, world\nhello: OK\n"))
        self.assert_own_lines(err.replace("to stderr\n", "", 1))

    def test_stdin_of_every_kind(self):
        for stdin in (open(os.devnull), open(self.path("file", b"abc\n"))):
            with stdin:
                done = subprocess.run(self.command("run", "--quiet", program=["stdin_cat"]), stdin=stdin,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (0, b"" if stdin.name == os.devnull else b"abc\n"))

    def test_output_as_it_comes(self):
        """What a program says arrives before it ends."""
        process = subprocess.Popen(self.command("run", "--quiet", program=["stdin_cat"]), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        for line in (b"one\n", b"two\n"):
            process.stdin.write(line)
            process.stdin.flush()
            self.assertEqual(process.stdout.readline(), line)
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 0)

    def test_status(self):
        for n in (0, 1, 42, 255):
            self.assertEqual(self.run_tool("run", "--quiet", program=["exit_status", str(n)])[0], n)
        self.assertEqual(self.run_tool("run", "--quiet", program=["exit_status", "-s", "15"])[0], 128 + 15)
        self.assertEqual(self.run_tool("run", "--quiet", program=["segv", "read"])[0], 128 + 11)
        status, out, err = self.run_tool("run", "--quiet", program=["no-such-program"])
        self.assertEqual((status, out), (127, b""))
        self.assertEqual(err.count("\n"), 1)
        self.assertIn("no-such-program", err)

    def test_arguments_and_environment(self):
        status, out, err = self.run_tool("run", "--env", "A=1 2%", "--env", "PATH=/x",
                                         program=["args_env", "--", "a b", "", "%20", "--cpus"])
        self.assertEqual(status, 0)
        for i, word in enumerate(("--", "a b", "", "%20", "--cpus")):
            self.assertIn(b"arg %d %s\n" % (i + 1, word.encode()), out)
        self.assertIn(b"env A=1 2%\n", out)
        self.assertIn(b"env PATH=/x\n", out)

    def test_json(self):
        file = self.path("facts.json")
        self.assertEqual(self.run_tool("run", "--json", file, "--pcache", "4M", "--append", "P:'loglevel=7'",
                                       program=["exit_status", "3"])[0], 3)
        with open(file) as opened:
            facts = json.load(opened)
        self.assertEqual((facts["exit_status"], facts["footprint"], facts["error"]), (3, 123, None))
        self.assertGreater(facts["guest_seconds"], 0)
        self.assertGreater(facts["boot_seconds"], 0)
        node = facts["nodes"]["processor"]
        self.assertEqual(node["parameters"]["pcache.size"], "4M")
        self.assertEqual(node["parameters"]["loglevel"], "7")
        self.assertEqual(node["counters"]["nr_pgfault"], 1001)
        self.assertEqual(node["counters_by_cpu"], {"nr_pgfault": [500, 0, 502]})
        self.assertEqual(facts["nodes"]["memory"]["accounting"], {"free_frames": 5000, **dict.fromkeys(HELD["memory"], 0)})

    def test_cluster_failures(self):
        for fake, text in (("storage:die", "storage node ended unexpectedly"), ("memory:silent", "memory node is not ready"),
                           ("processor:panic", "processor node panicked: the fake broke"),
                           ("processor:logpanic", "panicked: the fake broke silently"),
                           ("processor:killed", "processor node ended unexpectedly"),
                           ("processor:leak", "processor node: spaces 3"), ("memory:leak", "memory node: spaces 3"),
                           ("processor:mute", "processor node: spaces None"),
                           ("storage:stuck", "do not power off")):
            with self.subTest(fake):
                status, _, err = self.run_tool("run", "--quiet", "--boot-timeout", "2" if "silent" in fake else "60",
                                               program=["hello"], fake=fake)
                self.assertEqual(status, 125)
                self.assertEqual(err.count("\n"), 1, err)
                self.assertIn(text, err)

    def test_wrong_options(self):
        for options in (("--cpus", "0"), ("--cpus", "x"), ("--pcache", "1.5M"), ("--policy", "best"), ("--nope",),
                        ("--add", "x"), ("--disk", "x"), ("--disk", "/none:/mnt"), ("--env", "x"), ("--timeout", "-1"),
                        ("--append", "X:a=b"), ("--image", "nothing"), ("--pcache", "1G"), ("--memory", "1M"),
                        ("--stdin", "/none"), ("--faults", "drop=7"), ("--ways", "1025"), ("--victim", "65537"), ("--add", "/none=/x"), ("--wire", "string"),
                        ("--wire", "tap:a b"), ("--wire", "tap", "--pcap", "x"), ("--queues", "2"), ("--queues", "9"),
                        ("--wire", "tap", "--nic", "e1000e", "--queues", "2")):
            status, out, err = self.run_tool("run", *options, "--quiet", program=["hello"])
            self.assertEqual((status, out, err.count("\n")), (125, b"", 1), (options, err))
            self.assert_own_lines(err)
        self.assertEqual(self.run_tool("run", "--quiet")[0], 125)

    def test_timeout(self):
        status, _, err = self.run_tool("run", "--quiet", "--timeout", "1.5", program=["memtest", "500", "1", "1000"])
        self.assertEqual(status, 124)
        self.assertIn("timeout", err)
        self.assertEqual(self.run_tool("run", "--quiet", "--timeout", "1", program=["hello"], fake="memory:silent")[0], 124)

    def test_signals_take_everything_down(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = subprocess.Popen(self.command("run", program=["stdin_cat"]), stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
            process.stdin.write(b"x")
            process.stdin.flush()
            process.stdout.read(1)
            process.send_signal(number)
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, 128 + number)
            self.assert_nothing_left()

    def test_ctrl_c_on_a_terminal(self):
        """While nodes boot a line says so; then ^C ends the run and all that belongs to it."""
        pid, master = pty.fork()
        if pid == 0:
            os.environ.update(self.env, TANGRAM_FAKE="")
            words = self.command("run", program=["memtest", "100", "1", "1000"])
            os.execv(words[0], words)
        self.addCleanup(os.close, master)
        shown = b""
        while b"tangram: running memtest" not in shown:
            self.assertTrue(select.select([master], [], [], 60)[0], shown)
            shown += os.read(master, 65536)
        self.assertRegex(shown, rb"\r\x1b\[Ktangram: booting: processor \w+, memory \w+, storage \w+")
        os.write(master, b"\x03")
        try:
            while select.select([master], [], [], 60)[0] and os.read(master, 65536):
                pass
        except OSError:
            pass                                        # the other side is closed
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 128 + signal.SIGINT)
        self.assert_nothing_left()

    def test_killed_at_random_points(self):
        rng = random.Random(5)
        for _ in range(12):
            process = subprocess.Popen(self.command("run", program=["memtest", "100", "1", "1000"]),
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env=self.env, start_new_session=True)
            time.sleep(rng.random() * 0.8)
            if rng.random() < 0.5:
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self.assert_nothing_left(5)

    def test_terminal(self):
        """With -t the caller's terminal is raw while the program runs and as before afterwards, also after SIGKILL."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)
        before = termios.tcgetattr(slave)
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL, "keys"):
            process = subprocess.Popen(self.command("run", "--quiet", "-t", program=["stdin_cat"]), stdin=slave,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
            while termios.tcgetattr(slave)[3] & termios.ICANON:
                self.assertIsNone(process.poll())
                time.sleep(0.02)
            os.write(master, b"typed\x03\r")              # Ctrl-C is a byte for the program
            self.assertEqual(process.stdout.read(7), b"typed\x03\r")
            if how == "keys":
                os.write(master, b"\x1d\x1d\x1d")         # the way out when nothing answers
            else:
                process.send_signal(how)
            process.communicate(timeout=60)
            deadline = time.monotonic() + 5             # after SIGKILL it is another process that does it
            while termios.tcgetattr(slave) != before:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            self.assertEqual(process.returncode, -9 if how == signal.SIGKILL else 128 + (2 if how == "keys" else how))

    def test_broken_pipe(self):
        process = subprocess.Popen(self.command("run", "--quiet", program=["stdin_cat"]), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        process.stdin.write(b"x")
        process.stdin.flush()
        process.stdout.read(1)
        process.stdout.close()
        process.stdin.write(b"y" * 10)
        process.stdin.flush()
        self.assertEqual(process.wait(60), 128 + signal.SIGPIPE)
        process.stdin.close()
        process.stderr.close()

    def test_add_and_get(self):
        file = self.path("note", b"take me there and back")
        before = self.read(IMAGE)
        for program, expected in ((["hello"], 0), (["exit_status", "9"], 9)):
            out = self.path("back")
            self.assertEqual(self.run_tool("run", "--quiet", "--add", file + "=/data/new/note", "--get",
                                           "/data/new/note=" + out, program=program)[0], expected)
            self.assertEqual(self.read(out), b"take me there and back")
            os.unlink(out)
        status, _, err = self.run_tool("run", "--quiet", "--get", "/none=" + self.path("x"), program=["hello"])
        self.assertEqual((status, err.count("\n")), (125, 1))
        status = self.run_tool("run", "--quiet", "--add", file + "=/n", "--get", "/n=" + self.path("back"),
                               program=["hello"], fake="processor:panic")[0]
        self.assertEqual((status, os.path.exists(self.path("back"))), (125, True))
        self.assertTrue(before == self.read(IMAGE))

    def test_several_at_once(self):
        processes = [subprocess.Popen([TOOL, "run", "--quiet", "--log-dir", self.path("log%d" % i), "--", "exit_status",
                                       str(10 + i)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, env=self.env) for i in range(4)]
        for i, process in enumerate(processes):
            _, err = process.communicate(timeout=60)
            self.assertEqual((process.returncode, err), (10 + i, b""))
        self.assert_nothing_left()

    def stay(self, *words, program=(), stdin=b""):
        done = subprocess.run(self.command(*words, program=program), input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.env, timeout=60)
        return done.returncode, done.stdout, done.stderr.decode()

    def test_cluster_that_stays(self):
        self.assertEqual(self.stay("up", "--quiet", "--name", "one"), (0, b"", ""))
        status, _, err = self.stay("up", "--quiet", "--name", "one")
        self.assertEqual(status, 125)
        self.assertIn("is up already", err)
        for stdin in (b"first", b"", os.urandom(500000)):
            status, out, err = self.stay("exec", "--quiet", "one", program=["stdin_cat"], stdin=stdin)
            self.assertEqual((status, out, err), (0, stdin, "stdin_cat: OK %d bytes\n" % len(stdin)))
        self.assertEqual(self.stay("exec", "--quiet", "one", program=["exit_status", "5"])[0], 5)
        self.assertEqual(self.stay("exec", "--quiet", "--timeout", "0.5", "one", program=["memtest", "400", "1", "99"])[0],
                         124)
        facts = self.path("facts.json")
        self.assertEqual(self.stay("exec", "--quiet", "--json", facts, "one", program=["hello"])[0], 0)
        self.assertEqual(json.loads(self.read(facts))["nodes"]["memory"]["counters"]["nr_pgfault"], 1002)
        client = subprocess.Popen(self.command("exec", "one", program=["stdin_cat"]), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        client.stdin.write(b"x")
        client.stdin.flush()
        client.stdout.read(1)
        client.kill()
        client.communicate()
        self.assertEqual(self.stay("exec", "--quiet", "one", program=["hello"])[0], 0)
        self.assertRegex(self.stay("list")[1], rb"^one  up ")
        out = self.stay("wire", "one")[1].decode()
        self.assertIn("-netdev stream,id=wire,server=off,addr.type=unix,addr.path=" + self.tmp, out)
        capture = self.path("x.pcap")
        self.assertEqual(self.stay("wire", "one", "--pcap", capture, "--faults", "drop=0.1", "--stats")[0], 0)
        self.assertEqual(os.path.getsize(capture), 24)
        self.assertEqual(self.stay("wire", "one", "--faults", "drop=x")[0], 125)
        self.assertEqual(self.stay("wire", "one", "--faults", "off")[0], 0)
        note = self.path("passwd")
        self.assertEqual(self.stay("down", "one", "--get", "/etc/passwd=" + note), (0, b"", ""))
        self.assertIn(b"root:", self.read(note))
        self.assert_nothing_left(2)
        self.assertEqual(self.stay("list")[1], b"")
        self.assertEqual(self.stay("exec", "one", program=["hello"])[0], 125)
        self.assertEqual(self.stay("down", "one")[0], 125)
        self.assertEqual(self.stay("up", "--name", "../x")[0], 125)

    def test_keeper_killed(self):
        self.stay("up", "--quiet", "--name", "two")
        pid = int(self.stay("list")[1].split(b"keeper ")[1].split()[0])
        os.kill(pid, signal.SIGKILL)
        self.assert_nothing_left(5)
        self.assertEqual(self.stay("list")[1], b"")
        self.assertEqual(os.listdir(self.tmp), [])

    def test_system_test_ended(self):
        env = dict(self.env, TANGRAM_MARK=self.tmp)     # its TMPDIR is its own
        with subprocess.Popen([sys.executable, "-c", WAITS, HERE], stdout=subprocess.PIPE, env=env) as process:
            self.assertEqual(process.stdout.readline(), b"up\n")
            process.terminate()
            process.communicate(timeout=60)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM)
        self.assert_nothing_left()

    def test_failed_up(self):
        self.env["TANGRAM_FAKE"] = "memory:die"
        status, _, err = self.stay("up", "--quiet", "--name", "three")
        self.assertEqual((status, err.count("\n")), (125, 1), err)
        self.assert_nothing_left(2)
        self.env["TANGRAM_FAKE"] = "memory:silent"
        process = subprocess.Popen(self.command("up", "--name", "four"), stderr=subprocess.DEVNULL, env=self.env)
        time.sleep(0.7)
        process.kill()
        process.wait()
        self.assert_nothing_left(5)

    def test_balance_is_the_documented_one(self):
        """What must be zero at rest is what Documentation/counters.md says."""
        with open(os.path.join(ROOT, "Documentation", "counters.md")) as file:
            rows = re.findall(r"(?m)^\| `(\w+)` \| ([PMS, ]+|all) \| [^|]+ \| 0 \|$", file.read())
        for short, role in (("P", "processor"), ("M", "memory"), ("S", "storage")):
            self.assertEqual(sorted(name for name, who in rows if short in who or who == "all"), sorted(HELD[role]), role)

    def test_tool_lines_in_order(self):
        _, _, err = self.run_tool("run", program=["hello"])
        self.assert_own_lines(err)
        self.assertIn("tangram: nr_pgfault: 1001\n", err)
        self.assertNotIn("nr_zero", err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
