# SPDX-License-Identifier: MIT
"""What the system tests share: running scripts/tangram, expected results, reading captures."""

import collections
import glob
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import time
import zlib

from cases import PATIENCE

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BUILD = os.environ.get("TANGRAM_BUILD", os.path.join(ROOT, "build"))
TOOL = os.path.join(ROOT, "scripts", "tangram")


SHORT = {"P": ("processor",), "M": ("memory",), "S": ("storage",), "all": ("processor", "memory", "storage")}


def identities():
    """[(role, total, [part])] of Documentation/counters.md."""
    with open(os.path.join(ROOT, "Documentation", "counters.md")) as file:
        text = file.read().split("## Identities", 1)[1].split("\n## ", 1)[0]
    lines = []
    for line in re.findall(r"(?m)^    (.*)$", text):
        if line.startswith(" "):
            lines[-1] += line               # goes on with the one before
        else:
            lines.append(line)
    out = []
    for line in lines:
        match = re.fullmatch(r"(\w+): (\w+) = (\w+(?:\s*\+\s*\w+)*)", line.strip())
        assert match, "cannot be read: %s" % line
        out += [(role, match.group(2), re.findall(r"\w+", match.group(3))) for role in SHORT[match.group(1)]]
    assert len(out) > 10, "identities are missing"
    return out


def check_identities(nodes):
    """What Documentation/counters.md promises of counters at rest, on the nodes of a report."""
    for role, total, parts in identities():
        values = {**nodes[role]["accounting"], **nodes[role]["counters"]}
        assert values[total] == sum(values[part] for part in parts), \
            (role, total, {name: values[name] for name in [total] + parts})


class Result:
    def __init__(self, status, out, err, facts):
        self.status, self.out, self.err, self.facts = status, out, err, facts

    def node(self, role):
        return self.facts["nodes"][role]

    def counter(self, name, role="processor"):
        return self.node(role)["counters"][name]


# As root, in a mount namespace of its own in which the devices that everybody may use are so, whatever this machine's are like.
_USUAL_DEVICES = """
mkdir "$0/dev"
for device in null:3 zero:5 random:8 urandom:9; do
    mknod -m 666 "$0/dev/${device%:*}" c 1 "${device#*:}" && mount --bind "$0/dev/${device%:*}" "/dev/${device%:*}"
done
exec setpriv --reuid 54321 --regid 54321 --clear-groups --no-new-privs "$@"
"""


def as_fresh_user(folder):
    """
    Words that run a command as a user who is in no group and no list and has nothing but a home, `folder`; as somebody else than
    root, as that user.
    """
    clean = ["env", "-i", "PATH=/usr/bin:/bin", "HOME=" + folder, "TANGRAM_BUILD=" + BUILD]
    if os.getuid() != 0:
        return clean
    os.chmod(os.path.dirname(folder), 0o755)
    os.chown(folder, 54321, 54321)
    return ["unshare", "-m", "sh", "-euc", _USUAL_DEVICES, folder] + clean


class Testbed:
    """One test's folder and tool; the logs of its clusters stay in the build folder."""

    def __init__(self, name):
        self.folder = os.path.join(BUILD, "check", "system", name)
        self.failed = False

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.tmp = tempfile.mkdtemp(prefix="ts-", dir="/tmp")
        self.env = dict(os.environ, TMPDIR=self.tmp, XDG_RUNTIME_DIR=self.tmp, TANGRAM_BUILD=BUILD)
        self.runs = 0
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.tmp, ignore_errors=True)
        for path in glob.glob(os.path.join(self.folder, "*")):
            if not self.failed and os.path.isfile(path) and os.path.getsize(path) > 1 << 20:
                os.unlink(path)             # texts and captures of a test that passed

    def path(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content)
        return path

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def tangram(self, *words, stdin=b"", timeout=110, before=()):
        """The tool with any command; Result without facts. before: words of a command that runs it."""
        done = subprocess.run([*before, TOOL, *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env,
                              timeout=timeout * PATIENCE)
        return Result(done.returncode, done.stdout, done.stderr.decode(errors="replace"), None)

    def run(self, *program, options=(), stdin=b"", status=0, timeout=100, before=()):
        """`tangram run` of a program; fails unless it ends with the status expected (None: any)."""
        self.runs += 1
        own = timeout if status == 124 else timeout * PATIENCE
        facts = self.path("facts%d.json" % self.runs)
        if "TANGRAM_MUTANT" in os.environ:      # tests/mutants.py: a rule that the processor node is to do without
            options = [*options, "--append", "P:debug.mutant=" + os.environ["TANGRAM_MUTANT"]]
        result = self.tangram("run", "--timeout", str(own), "--log-dir", self.path("run%d" % self.runs), "--json",
                              facts, *options, "--", *program, stdin=stdin, timeout=timeout + 30, before=before)
        if os.path.exists(facts):
            with open(facts) as file:
                result.facts = json.load(file)
        print("$ tangram run %s -- %s -> %d" % (" ".join(options), " ".join(program), result.status))
        print(result.err[-3000:])
        if status is not None:
            assert result.status == status, "status %d, not %d; stdout: %r" % (result.status, status, result.out[-500:])
        if result.facts and result.facts["error"] is None and result.node("processor")["accounting"]:
            check_identities(result.facts["nodes"])         # lesson: L11
        return result

    def left(self):
        """Processes and files of this test's clusters that are still there."""
        found = glob.glob(os.path.join(self.tmp, "tangram-*-*[0-9a-f]"))
        for folder in glob.glob("/proc/[0-9]*"):
            for name in ("cmdline", "environ"):             # all that the tool starts has our TMPDIR
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        if self.tmp.encode() in file.read():
                            found.append(os.path.join(folder, name))
                except OSError:
                    pass
        return [path for path in found if "tangram-clusters" not in path]

    def assert_nothing_left(self, seconds=5):
        deadline = time.monotonic() + seconds
        while self.left():
            assert time.monotonic() < deadline, self.left()
            time.sleep(0.05)


def text_file():
    return os.path.join(BUILD, "data", "text")


def text(size):
    """A text of `size` bytes, made once."""
    path = os.path.join(BUILD, "data", "text-%d" % size)
    if not os.path.exists(path):
        subprocess.run([os.path.join(ROOT, "scripts", "make-text"), "--size", str(size), path], check=True)
    return path


def expected_words(data, top):
    """What word_count prints below its second line."""
    counts = collections.Counter(re.findall(rb"[A-Z]+", data.upper()))
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return b"".join(b"%s: %d\n" % item for item in order[:top])


def check_word_count(out, data, top):
    lines = out.split(b"\n", 2)
    assert lines[0] == b"Wordcount: Running...", lines[0]
    assert re.fullmatch(rb"Word Count: Computation Completed [0-9.]+ sec", lines[1]), lines[1]
    assert lines[2] == expected_words(data, top), "the counts are wrong"


def elf(machine=62, kind=2, klass=2, segment=b"\xf4" * 16):
    """A tiny ELF file; by default one for x86-64 that would only halt."""
    base = 0x400000
    head = b"\x7fELF" + bytes([klass, 1, 1, 0]) + bytes(8)
    head += struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, base + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    head += struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, 120 + len(segment), 120 + len(segment), 4096)
    return head + segment


# Captures

RocePacket = collections.namedtuple("RocePacket", "time source target opcode psn payload icrc_good")


def read_pcap(path):
    """(time in ns, frame) of each record."""
    with open(path, "rb") as file:
        data = file.read()
    assert struct.unpack_from("<I", data)[0] == 0xa1b23c4d
    at = 24
    while at + 16 <= len(data):
        seconds, nanoseconds, captured, _ = struct.unpack_from("<IIII", data, at)
        yield seconds * 1000000000 + nanoseconds, data[at + 16:at + 16 + captured]
        at += 16 + captured


def roce_icrc(frame, header):
    """The invariant CRC over an IPv4 RoCEv2 frame, without its last four bytes."""
    ip = bytearray(frame[14:-4])
    ip[1] = ip[8] = 0xff
    ip[10:12] = b"\xff\xff"
    ip[header + 6:header + 8] = b"\xff\xff"
    ip[header + 12] = 0xff
    return zlib.crc32(b"\xff" * 8 + bytes(ip)) & 0xffffffff


def roce_packets(path):
    """The RoCEv2 packets of a capture; source and target are the last bytes of the addresses."""
    for when, frame in read_pcap(path):
        if len(frame) < 14 + 20 + 8 + 16 or frame[12:14] != b"\x08\x00" or frame[23] != 17:
            continue
        header = (frame[14] & 15) * 4
        if struct.unpack_from(">H", frame, 14 + header + 2)[0] != 4791:
            continue
        frame = frame[:14 + struct.unpack_from(">H", frame, 16)[0]]        # without Ethernet's padding
        bth = 14 + header + 8
        yield RocePacket(when, frame[29], frame[33], frame[bth], int.from_bytes(frame[bth + 9:bth + 12], "big"),
                         frame[bth + 12:-4], struct.unpack("<I", frame[-4:])[0] == roce_icrc(frame, header))
