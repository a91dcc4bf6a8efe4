# SPDX-License-Identifier: MIT
sleep 1000 & s=$!; sleep 1001 & sleep 0.3
echo "== ps"; ps -o comm,stat,tty,ni,pri,nlwp,user,args -p $s | sed 's/ \+/ /g'
ps -o pid= -p $s | tr -d ' ' | sed "s/$s/PID/"
ps -o pid=,ppid= -p $s | sed "s/$s/PID/; s/ $$$/ SELF/; s/^ *//; s/  */ /"
ps -e -o comm= | sort | uniq -c | sed 's/ \+/ /g' | grep ' sleep$'
ps --ppid $$ -o comm= | sort | uniq -c | sed 's/ \+/ /g' | grep sleep; ps -p 99999 | sed 's/ \+/ /g;s/^ //'
echo "rc ${PIPESTATUS[0]}"; ps -C sleep -o args= | sort; ps aux | head -1 | sed 's/ \+/ /g'
ps -ef | grep -c '[s]leep 10'; ps -o etimes= -p $s | awk '{ print ($1 < 60) }'
ps -o rss=,vsz= -p $s | awk '{ print ($1 > 400 && $1 < 3000), ($2 > 1500 && $2 < 20000) }'
echo "== others"; pgrep -x sleep | wc -l; pgrep -fl '^sleep 1001' | sed 's/^[0-9]* //'; pidwait -x nothing
echo "rc $?"; kill -STOP $s; sleep 0.3; ps -o stat= -p $s; grep State /proc/$s/status; kill -CONT $s; sleep 0.3
ps -o stat= -p $s; kill $(pgrep -f '^sleep 1001'); sleep 0.3; pgrep -c sleep; pwdx $s | sed "s/$s/PID/"
tr '\0' ' ' < /proc/$s/cmdline; echo; cat /proc/$s/comm; readlink /proc/$s/exe
ls -l /proc/$s/fd | awk 'NR > 1 { print $9 }'; grep -E '^(Name|Threads|Uid|Gid|VmSwap|State)' /proc/$s/status
awk '{ print $2, $3, $18, $19, $20 }' /proc/$s/stat; head -c 3 /proc/$s/statm | wc -c
awk '{ print ($1 > 300), ($2 > 100) }' /proc/$s/statm
echo "== the machine"
free | awk 'NR == 1 { print $1, $2, $6 } NR == 2 { print ($2 > 100000), ($2 >= $3 + $4), ($7 <= $2) } NR == 3 { print $1 }'
free -h --si | wc -l; uptime | sed 's/^.* up .*load average: [0-9.]*, [0-9.]*, [0-9.]*$/up and load/'
uptime -s | tr 0-9 n; top -b -n 1 | sed -n '1s/ - .*//p;2s/:.*//p;3s/:.*//p;4s/ :.*//p;7s/ \+/ /gp'
top -b -n 2 -d 0.5 | grep -c '^top'; top -b -n 1 -p $s | tail -1 | awk '{ print $2, $8, $12 }'
vmstat 2>&1 | head -2 | tail -1 | awk '{ print $1, $2, $NF }'; vmstat 1 2 | tail -1 | wc -w
nproc | awk '{ print ($1 > 0) }'; pmap $s | head -1 | sed "s/$s/PID/"; pmap $s | tail -1 | awk '{ print $1 }'
slabtop -V | cut -d' ' -f1; sysctl -n kernel.ostype 2>/dev/null; awk '{ print NF }' /proc/loadavg
grep -c '^cpu' /proc/stat | awk '{ print ($1 > 1) }'
awk '/^cpu / { print NF; t = 0; for (i = 2; i <= NF; i++) t += $i; print (t > 0) }' /proc/stat
awk '{ print ($1 > 0), ($2 > 0) }' /proc/uptime
for f in MemTotal MemFree MemAvailable Buffers Cached SwapTotal; do grep -c "^$f:" /proc/meminfo; done | tr '\n' ' '
echo
x=0; while [ $x -lt 30000 ]; do x=$((x + 1)); done; ps -o cputimes=,time= -p $$ | awk '{ print (NF == 2) }'
awk '{ print ($14 + $15 > 0) }' /proc/$$/stat; times | wc -l; kill $s
echo "== addresses"; for n in 1 2 3; do cat /proc/self/maps | grep -E "stack|heap|/cat" | md5sum; done | sort -u | wc -l | awk '{ print ($1 > 1) }'
for n in 1 2 3; do setarch -R cat /proc/self/maps | grep -E 'stack|heap|/cat|libc' | cut -d' ' -f1 | md5sum; done | sort -u | wc -l
