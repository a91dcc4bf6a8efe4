# SPDX-License-Identifier: MIT
cd /tmp
# numbers of processes, times and addresses are nobody's business
clean() { sed -E 's/^[0-9]+ +//; s/0x[0-9a-f]+/ADDR/g; s/(pid|uid|child_tid|parent_tid|stime|utime)=?\[?[0-9]+\]?/\1/g; s/ +=/ =/'; }
echo "== one program"
strace -o t -e trace=write,exit_group /bin/echo hello; echo "rc $?"; clean < t
strace -o t -e trace=openat cat /none; echo "rc $?"; grep none t | clean
strace -e trace=write -o t sh -c 'exit 7'; echo "rc $?"; clean < t
echo "== its children"
strace -f -o t -e trace=write,exit_group sh -c '/bin/echo a; (exit 3); /bin/echo b | cat > /dev/null; exit 4'; echo "rc $?"
grep -c 'exited with 0' t; grep -c 'exited with 3' t; grep -c 'write(1, "a\\n", 2)' t; tail -n 1 t | clean
strace -f -o t -e trace=execve env -i /bin/true; clean < t | grep -o 'true.* 0 vars.*= 0'
echo "== signals"
strace -o t -e trace=none -e signal=all sh -c 'trap "echo caught" USR1; kill -USR1 $$; kill -TERM $$'; echo "rc $?"; clean < t
strace -f -o t -e trace=none sh -c 'kill -STOP $$; kill -KILL $$' & p=$!
until grep -q 'stopped by SIGSTOP' t; do sleep 0.1; done
kill -CONT $(sed -n 's/ .*stopped by.*//p' t); wait $p; echo "rc $?"; clean < t
echo "== calls that are changed"
strace -o t -e trace=getcwd -e inject=getcwd:error=EPERM pwd -P > /dev/null 2>&1; clean < t | grep -c 'EPERM.*INJECTED'
strace -o t -e trace=getppid -e inject=getppid:retval=77 sh -c 'echo $PPID'; clean < t
echo "== threads"
strace -f -o t -e trace=exit,exit_group python3 -c '
import threading
ts = [threading.Thread(target=sum, args=([1, 2],)) for _ in range(4)]
[t.start() for t in ts]
[t.join() for t in ts]
print("joined")'; echo "rc $?"
grep -c 'exit(0' t; grep -c 'exited with 0' t
echo "== a program that runs already"
sleep 100 & p=$!
sleep 0.3; strace -o t -p $p 2> /dev/null & s=$!
until grep -q TracerPid:.*[1-9] /proc/$p/status; do sleep 0.1; done
kill -INT $s; wait $s; grep TracerPid /proc/$p/status
strace -o t -e trace=none -p $p 2> /dev/null & s=$!
until grep -q TracerPid:.*[1-9] /proc/$p/status; do sleep 0.1; done
sleep 0.3; kill $p; wait $s; echo "rc $?"; wait $p; echo "rc $?"; clean < t
strace -c -o t /bin/true; grep -c execve t
