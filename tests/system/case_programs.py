# SPDX-License-Identifier: MIT
"""Programs of ours that test the kernel, and the ways in which a program can end or fail to begin."""

import calendar
import os
import re
import subprocess
import time

from cases import case, each
from testbed import BUILD, elf, text_file


@each({
    "hello": "hello", "hello-dyn": "hello-dyn", "bss": "bss_zero", "memtest": "memtest 24 1 2",
    "memtest-threads": "memtest 24 4 2", "futex": "futex_pingpong 300 2", "threads": "threads", "mremap": "mremap_test",
    "mprotect": "mprotect_test nosignals", "mprotect-signals": "mprotect_test", "avx": "avx_regs 6 500",
    "fork": "fork_cow 2 3 2", "bad-pointers": "bad_pointers", "signals": "signals", "processes": "processes",
})
def program(bed, line):
    # lesson: L28 (each writes its data and its stack before anything forks)
    words = line.split()
    result = bed.run("/bin/" + words[0], *words[1:], options=["--pcache", "8M"])
    name = words[0].replace("-dyn", "")
    assert re.search(rb"(?m)^%s: OK" % name.encode(), result.out), result.out


@each({"1": 1, "2": 2, "4": 4, "8": 8, "16": 16})
def boots_with_cpus(bed, cpus):
    # lesson: L22
    result = bed.run("args_env", options=["--cpus", str(cpus)])
    assert b"\ncpus %d\n" % cpus in result.out, result.out


@case()
def status_is_the_programs(bed):
    for n in (0, 1, 42, 255):
        bed.run("exit_status", str(n), status=n)


@case()
def ended_by_a_signal(bed):
    for words, number in ((("exit_status", "-s", "15"), 15), (("segv", "read"), 11), (("segv", "write"), 11),
                          (("segv", "kernel"), 11), (("segv", "noncanonical"), 11), (("segv", "stack"), 11),
                          (("segv", "text"), 11), (("segv", "exec"), 11), (("segv", "div"), 8), (("segv", "ill"), 4)):
        result = bed.run(*words, status=128 + number)
        assert b": OK" in result.out


@case()
def arguments_environment_names(bed):
    before = time.time()
    result = bed.run("args_env", "a b", "", "%20", options=["--env", "X=1 2", "--cwd", "/data"])
    for line in (b"arg 1 a b", b"arg 2 ", b"arg 3 %20", b"env X=1 2", b"cwd /data", b"hostname tangram",
                 b"isatty 0 0", b"isatty 1 0", b"isatty 2 0"):
        assert b"\n" + line + b"\n" in result.out, line
    then = time.strptime(re.search(rb"time (\S+)Z", result.out).group(1).decode(), "%Y-%m-%dT%H:%M:%S")
    assert before - 2 <= calendar.timegm(then) <= time.time() + 2, "the wall clock is wrong"


@case()
def stdin_arrives_and_ends(bed):
    # lesson: L36
    data = os.urandom(200000)
    result = bed.run("stdin_cat", stdin=data)
    assert result.out == data
    assert "stdin_cat: OK 200000 bytes" in result.err
    assert bed.run("stdin_cat", stdin=b"").out == b""
    file = bed.path("in", data[:5000])
    assert bed.run("stdin_cat", options=["--stdin", file]).out == data[:5000]


@case()
def streams_apart(bed):
    result = bed.run("hello", "this to stderr\n", options=["--quiet"])
    assert (result.out, result.err) == (b"hello, world\nhello: OK\n", "this to stderr\n")


def cannot_run(bed, path, content, text, status):
    options = ["--quiet"]
    if content is not None:
        bed.path("file", content)
        os.chmod(bed.path("file"), 0o755)
        options += ["--add", bed.path("file") + "=" + path]
    result = bed.run(path, options=options, status=status)
    assert result.out == b"" and result.err.count("\n") == 1 and text in result.err, result.err


@case()
def program_missing(bed):
    cannot_run(bed, "/bin/none", None, "ENOENT", 127)


@each({
    "text": b"just some text\n", "empty": b"", "head": elf()[:40], "table": elf()[:70], "arm": elf(machine=183),
    "32-bit": elf(klass=1), "object": elf(kind=1), "core": elf(kind=4),
})
def program_that_is_none(bed, content):
    cannot_run(bed, "/bin/odd", content, "ENOEXEC", 126)


@case()
def program_truncated(bed):
    """The headers promise more than the file has: refused, or ended by SIGBUS at the first missing page; no hang."""
    with open(os.path.join(BUILD, "user", "word_count"), "rb") as file:
        bed.path("cut", file.read()[:100000])
    os.chmod(bed.path("cut"), 0o755)
    result = bed.run("/bin/cut", options=["--add", bed.path("cut") + "=/bin/cut"], status=None)
    assert result.status in (126, 128 + 7, 128 + 11), result.status


@case()
def program_is_a_folder(bed):
    cannot_run(bed, "/data", None, "EACCES", 126)


@case(limit=180)
def three_runs_in_one_boot(bed):
    """Nothing is lost from one run to the next: the same free memory on P and M each time (lesson: L31)."""
    import json
    bed.tangram("up", "--quiet", "--name", "leak", "--pcache", "4M", "--log-dir", bed.path("log"))
    try:
        free = []
        for i in range(4):
            facts = bed.path("exec%d.json" % i)
            done = bed.tangram("exec", "--quiet", "--timeout", "60", "--json", facts, "leak", "--", "word_count", "/data/text")
            assert done.status == 0, done.err
            # reads files deep in /proc and /sys: what is remembered of them must not grow
            done = bed.tangram("exec", "--quiet", "--timeout", "60", "--json", facts, "leak", "--", "machine")
            assert done.status == 0, done.err
            with open(facts) as file:
                nodes = json.load(file)["nodes"]
            # Which slabs are partly full differs from run to run; what is in them must not.
            free.append([value for role in ("processor", "memory") for value in
                         (nodes[role]["accounting"]["free_frames"] + nodes[role]["accounting"]["slab_frames"],
                          nodes[role]["accounting"]["slab_objects"], nodes[role]["accounting"]["threads"])])
        print("frames free or in slabs, objects and threads on P and M:", free)
        assert free[1] == free[2] == free[3], free          # the first may leave caches of its own behind
    finally:
        bed.tangram("down", "leak")
    bed.assert_nothing_left()


def on_linux(name, *words, **environment):
    return subprocess.run([os.path.join(BUILD, "user", name), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, **environment}, timeout=100, check=True)


@case()
def layout(bed):
    """Where a program lies, what it begins with and what it may not write or run: as on Linux."""
    result = bed.run("/bin/layout-dyn")
    assert result.out == on_linux("layout-dyn").stdout, result.out
    result = bed.run("/bin/layout-dyn", options=["--append", "P:aslr=no"])
    assert result.out.count(b" stays") == 12 and b"differs" not in result.out, result.out


@case()
def maps_of_word_count(bed):
    """No more mappings at its end than the same program has on Linux, nor fewer."""
    result = bed.run("/bin/maps_at_end", "/bin/word_count", "/data/text", "3", options=["--quiet", "--env", "WC_THREADS=1"])
    expected = on_linux("maps_at_end", os.path.join(BUILD, "user", "word_count"), text_file(), "3", WC_THREADS="1").stderr.decode()
    assert result.err == expected, (result.err, expected)


@case(limit=200)
def more_memory_than_there_is(bed):
    """A small memory node, filled in each way: an error, or the program's end, and all is as before."""
    bed.tangram("up", "--quiet", "--name", "small", "--mem-memory", "64M", "--log-dir", bed.path("log"))
    try:
        for words, said in (("overcommit",), "overcommit: OK"), (("hello", "alive\n"), "alive"), (("layout-dyn",), "layout-dyn: OK"):
            done = bed.tangram("exec", "--quiet", "--timeout", "150", "small", "--", *words)
            assert done.status == 0 and said in done.out.decode() + done.err, (done.out, done.err)
    finally:
        bed.tangram("down", "small")
    bed.assert_nothing_left()
