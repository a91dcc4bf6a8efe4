# SPDX-License-Identifier: MIT
cd /tmp || exit 1
echo "== traceback"; printf 'def f(n):\n    return 1 / n\n\n\nf(0)\n' > fails.py; python3 fails.py 2>&1; echo "status $?"
python3 -c 'raise KeyError("none")' 2>err >out; echo "status $?"; cat err; wc -c < out
python3 -c 'import sys; sys.exit("said at the end")' 2>&1; echo "status $?"; python3 -c 'if' 2>&1; echo "status $?"
echo "== standard input"; printf 'one\ntwo\n\nlast' | python3 -c 'import sys; print([line for line in sys.stdin])'
echo 'print(sum(range(100)))' | python3; seq 1 20000 | python3 -c 'import sys; print(sum(int(x) for x in sys.stdin))'
python3 -c 'print(input(), input())' <<< $'first\nsecond'; python3 -c 'input()' < /dev/null 2>&1 | tail -1
head -c 300000 /dev/zero | python3 -c 'import sys; print(len(sys.stdin.buffer.read()))'
python3 - one two <<'END'
import sys
print(sys.argv[1:])
END
echo "== subprocess"; python3 - <<'END'
import os, subprocess, sys
from subprocess import PIPE, STDOUT

done = subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True, text=True)
print(done.returncode, repr(done.stdout), repr(done.stderr))
print(subprocess.run(["cat"], input=b"x" * 200000, stdout=PIPE).stdout == b"x" * 200000)
print(subprocess.run("echo $0 $A", shell=True, env={"A": "b", "PATH": "/usr/bin"}, stdout=PIPE).stdout)
print(subprocess.check_output(["pwd"], cwd="/usr", text=True).strip())
print(subprocess.run(["sh", "-c", "echo a; echo b >&2"], stdout=PIPE, stderr=STDOUT).stdout)
try:
    subprocess.check_output(["false"])
except subprocess.CalledProcessError as e:
    print(e)
try:
    subprocess.run(["/bin/none"])
except FileNotFoundError as e:
    print(e)
try:
    subprocess.run(["sleep", "60"], timeout=0.5)
except subprocess.TimeoutExpired as e:
    print(e.cmd, round(e.timeout, 1))
one = subprocess.Popen(["seq", "1", "5000"], stdout=PIPE)
two = subprocess.Popen(["grep", "7"], stdin=one.stdout, stdout=PIPE)
three = subprocess.Popen(["wc", "-l"], stdin=two.stdout, stdout=PIPE)
one.stdout.close()
two.stdout.close()
print(three.communicate()[0], one.wait(), two.wait(), three.returncode)
killed = subprocess.Popen(["sleep", "60"])
killed.terminate()
print(killed.wait(), killed.poll())
r, w = os.pipe()
os.set_inheritable(w, True)
listing = "ls /proc/self/fd | wc -l"
kept = [subprocess.run(listing, shell=True, stdout=PIPE, close_fds=close).stdout for close in (True, False)]
print(int(kept[1]) - int(kept[0]))
sent = subprocess.run("echo kept >&%d" % w, shell=True, pass_fds=(w,))
print(sent.returncode, os.read(r, 10))
print(subprocess.run([sys.executable, "-c", "raise SystemExit(9)"], start_new_session=True).returncode)
print(subprocess.run(["sh", "-c", "kill -SEGV $$"]).returncode)
many = [subprocess.Popen(["true"]) for _ in range(20)]
print([p.wait() for p in many])
END
echo "status $?"
