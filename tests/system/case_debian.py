# SPDX-License-Identifier: MIT
"""Debian's own binaries: what they print and how they end is compared with the same files run by the host's Linux."""

import difflib
import os
import subprocess

from cases import case, each
from testbed import BUILD, ROOT

PYTHON_THREADS = """
import threading, queue
q = queue.Queue()
def work(n):
    q.put(sum(range(n)))
ts = [threading.Thread(target=work, args=(n * 1000,)) for n in range(8)]
[t.start() for t in ts]
[t.join() for t in ts]
print(sorted(q.get() for _ in ts))
"""
PYTHON_MODULES = """
import json, zlib, hashlib, re, collections, sqlite3
text = json.dumps({"a": list(range(1000)), "b": "x" * 5000})
packed = zlib.compress(text.encode())
assert zlib.decompress(packed).decode() == text
print(hashlib.sha256(text.encode()).hexdigest(), collections.Counter(text).most_common(3))
db = sqlite3.connect(":memory:")
db.execute("create table t (n integer)")
db.executemany("insert into t values (?)", [(n,) for n in range(1000)])
print(db.execute("select sum(n), count(*) from t").fetchone())
"""
BASH_SCRIPT = """
f() { local n=$1; (( n < 2 )) && { echo $n; return; }; echo $(( $(f $((n-1))) + $(f $((n-2))) )); }
f 7
printf '%s\\n' c a b | sort | tr '\\n' ' '; echo
cat <<END | wc -lc
one
two
END
for i in {1..5}; do echo $i; done | while read n; do echo -n $((n * n)),; done; echo
trap 'echo bye' EXIT
false || echo "status $?"
[[ abc =~ b(.) ]] && echo ${BASH_REMATCH[1]}
exit 3
"""


def on_linux(words, stdin=b""):
    """The same files under the host's kernel, in a user namespace of their own."""
    tree = os.path.join(BUILD, "debian")
    return subprocess.run(["/usr/bin/unshare", "-r", "/usr/sbin/chroot", tree] + words, input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={"PATH": "/usr/bin", "HOME": "/root"}, timeout=60, check=False)


@each({
    "python-hello": ["/usr/bin/python3", "-c", "print('hello')"],
    "python-threads": ["/usr/bin/python3", "-c", PYTHON_THREADS],
    "python-modules": ["/usr/bin/python3", "-c", PYTHON_MODULES],
    "python-exit-status": ["/usr/bin/python3", "-c", "raise SystemExit(7)"],
    "bash-script": ["/bin/bash", "-c", BASH_SCRIPT],
    "dash-pipeline": ["/bin/sh", "-c", "seq 1 1000 | awk '{ s += $1 } END { print s }' | tee /dev/null"],
    "coreutils": ["/bin/sh", "-c", "ls /usr/bin | sort -r | head -20 | sha256sum; stat -c '%n %a %s' /usr/bin/bash; nl /etc/passwd"],
})
def debian(bed, words):
    expected = on_linux(words)
    result = bed.run(*words, status=expected.returncode,
                     options=["--image", "debian", "--env", "PATH=/usr/bin", "--env", "HOME=/root"])
    assert result.out == expected.stdout, (result.out, expected.stdout, expected.stderr)


# Scripts in tests/system/debian/: many programs each. The host's side has namespaces of its own, with what a system has mounted.
MOUNTS = """
mount -t proc proc $0/proc && mount -t tmpfs none $0/tmp && mount -t tmpfs none $0/data && mount -t tmpfs none $0/dev && cd $0/dev &&
mkdir shm && ln -s /proc/self/fd fd && ln -s fd/0 stdin && ln -s fd/1 stdout && ln -s fd/2 stderr || exit 99
for d in null zero full random urandom; do touch $d && mount --bind /dev/$d $d || exit 99; done
exec /usr/sbin/chroot $0 /bin/bash -c "$1"
"""
ENVIRONMENT = {"PATH": "/usr/bin:/usr/sbin:/bin:/sbin", "HOME": "/root", "LANG": "C.UTF-8"}


def script_on_linux(tree, text):
    return subprocess.run(["/usr/bin/unshare", "-r", "-p", "-f", "-m", "/bin/sh", "-c", MOUNTS, os.path.join(BUILD, tree), text],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, timeout=120,
                          check=False)


def compare_script(bed, name, image, options):
    with open(os.path.join(ROOT, "tests", "system", "debian", name + ".sh"), encoding="utf-8") as file:
        text = file.read()
    expected = script_on_linux(image, text)
    options = ["--image", image, "--pcache", "64M", "--memory", "384M", *options]
    for item in ENVIRONMENT.items():
        options += ["--env", "%s=%s" % item]
    result = bed.run("/bin/bash", "-c", text, status=expected.returncode, options=options, timeout=250)
    bed.path("linux.out", expected.stdout)
    bed.path("linux.err", expected.stderr)
    bed.path("tangram.out", result.out)
    different = [line for line in difflib.unified_diff(expected.stdout.decode(errors="replace").splitlines(),
                                                       result.out.decode(errors="replace").splitlines(), "linux", "tangram", "", "", 1)]
    assert not different, "\n".join(different)


@each({name: name for name in ("jobs", "find", "text", "perl", "sqlite", "procps", "python", "busybox")}, limit=300)
def debian_script(bed, name):
    compare_script(bed, name, "debian", [])


@case(limit=300)
def debian_small_cache(bed):
    """sort of more than fits into the cache."""
    compare_script(bed, "small_cache", "debian", ["--pcache", "8M"])


@case(limit=300)
def debian_many_files(bed):
    """Ten thousand in a folder, in memory and on the disk."""
    compare_script(bed, "many", "debian", [])


@case(limit=300)
def debian_strace(bed):
    """Of the larger image: what strace sees of programs is what it sees of them on Linux."""
    compare_script(bed, "strace", "debian-dev", ["--mem-memory", "1536M"])


@case(limit=300)
def debian_compiler(bed):
    """make and gcc of the larger image; what they build runs there."""
    compare_script(bed, "compiler", "debian-dev", ["--mem-memory", "1536M"])
