# SPDX-License-Identifier: MIT
set -m
echo "== job control without a terminal"
sleep 0.3 & wait $!; echo "waited $?"
(exit 7) & wait $!; echo "status $?"
sleep 100 & p=$!
kill -STOP $p; sleep 0.3; jobs | sed "s/$p/PID/"
kill -CONT $p; sleep 0.3; jobs
kill $p; wait $p; echo "killed $?"
sleep 100 & sleep 101 & jobs; kill %1 %2; wait; echo all
{ sleep 0.2; exit 4; } & { sleep 0.6; exit 5; } & wait -n; echo "first $?"; wait -n; echo "second $?"
bash -c 'kill -TSTP $$; echo resumed' & sleep 0.5; jobs; fg %1 >/dev/null; echo "fg $?"
coproc cat; echo through >&${COPROC[1]}; read -r l <&${COPROC[0]}; echo "co $l"; kill $COPROC_PID; wait 2>/dev/null
set +m; trap 'echo usr1' USR1; kill -USR1 $$; trap 'echo chld' CHLD; /bin/true; trap - CHLD
( trap 'echo term; exit 9' TERM; kill -TERM $BASHPID ); echo "sub $?"
timeout 0.3 sleep 10; echo "timeout $?"
timeout -s KILL 0.3 sleep 10 2>/dev/null; echo "timeout $?"
ulimit -n 64; ulimit -n; ulimit -s
( ulimit -t 1; while :; do :; done ) ; echo "cpu $?"
umask 027; umask; touch /tmp/u; stat -c %a /tmp/u; rm /tmp/u
exec 3< <(seq 3); cat <&3; exec 3<&-
mapfile -t a < <(printf 'x\ny\n'); echo "${#a[@]} ${a[1]}"
printf '%s\n' {a..e} | { read x; read y; echo "$x$y"; cat | wc -l; }
printf '%(%Y-%m-%d)T\n' 86400; echo "${BASH_VERSION%%(*}"
select x in one two; do echo "chose $x"; break; done <<< 2
diff <(seq 5) <(seq 2 6); echo "diff $?"
