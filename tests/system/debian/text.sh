# SPDX-License-Identifier: MIT
cd /tmp && mkdir f && cd f && mkdir a && seq 1 500 > a/f1 && mkfifo a/fifo && ln -s ../a a/link
echo "== grep, sed, gawk, text"
seq 1 500 > n; grep -c 7 n; grep -n '^4.4$' n; grep -rl 77 . | sort; grep -v -e '[0-8]' n
grep -oE '1?99' n | uniq -c; grep -q zzz n; echo "rc $?"; grep -A1 -B1 '^250$' n; echo 'Straße' | grep -P '\w+'
sed -n '10,12p;$p' n; sed 's/\(.\)\(.\)/\2\1/;5q' n; sed -i.bak '3d' n; wc -l n n.bak
sed -n '/48/,/50/{s/^/> /;p}' n | head -3; printf 'a\nb\nc\n' | sed 'N;P;D'
printf 'x=1\ny=2\n' | sed -E 's/(\w)=([0-9])/\2=\1/;w out' >/dev/null; cat out; sed --version | head -1
gawk 'BEGIN {
	for (i = 0; i < 1000; i++) a[i % 7] += i
	n = asorti(a, k)
	for (i = 1; i <= n; i++) printf "%s:%d ", k[i], a[k[i]]
	print ""
	print strftime("%F %T", 1e9, 1), length("äö"), substr("hello", 2, 3), toupper("x"), gensub(/(l+)/, "<\\1>", 1, "hello")
	while (("echo one; echo two" | getline l) > 0) print "got", l
	print "b\na" | "sort"
	close("sort")
	cmd = "cat"
	print "to coprocess" |& cmd
	close(cmd, "to")
	cmd |& getline r
	print r
	system("exit 3")
	printf "%.6f %e %x %c|%5s|%-5s|\n", atan2(0, -1), 12345.678, 255, 65, "a", "b"
	exit 2
}'
echo "rc $?"
gawk -F: '{ s[$1 % 3] += $1 } END { PROCINFO["sorted_in"] = "@ind_num_asc"; for (i in s) print i, s[i] }' n.bak
gawk 'NR % 100 == 0 { print FILENAME, FNR, $0 > "/dev/stderr" }' n.bak 2>&1
echo 'a,"b,c",d' | gawk 'BEGIN { FPAT = "([^,]+)|(\"[^\"]+\")" } { print $2 }'
sort -rn n | head -2; sort -R --random-source=n.bak n | md5sum; shuf --random-source=n.bak -n 3 n; uniq -d n
comm -12 <(sort n) <(sort n.bak) | wc -l; join <(seq 3 | sed 's/$/ l/') <(seq 2 4 | sed 's/$/ r/')
paste -sd+ <(seq 5); cut -c2- n | tail -1; tr 0-9 a-j < n | tail -1; rev n | tail -1; tac n | head -1
fold -w 2 <<< abcde; nl -ba n | tail -1; expand -t 4 <<< $'a\tb'; od -c <<< $'\e\n' ; xxd -v 2>/dev/null
base64 <<< hello; sha1sum n.bak; b2sum n.bak | cut -c1-20; numfmt --to=iec 123456789; date -u -d @86400 +%c
printf '%q\n' "a b"; seq -s, 0 0.5 2; factor 1234567890; expr 6 \* 7; split -l 200 n part; wc -l part*
csplit -s n.bak 100 300; wc -c xx*; truncate -s 1M sparse; stat -c '%s' sparse; cp --sparse=always -a a a2
diff a/f1 a2/f1 && echo same; ls -l a2 | grep -v total | cut -c1-10
dd if=n of=dd bs=100 count=3 skip=1 2>/dev/null; cksum dd; mktemp -u XXXXXX | wc -c; env -i A=1 env
basename /x/y.z .z; dirname /x/y; readlink -f a/link; realpath --relative-to=a d; install -m 711 n inst
stat -c %a inst; tee t1 t2 <<< tee | cat; cat t1 t2; head -c 5 n; tail -c 5 n; pr -t -3 -l 5 <(seq 9); ln -sf n l
ls -F; rm -r a2; ls a2; echo "rc $?"; [ -p a/fifo ] && test -L l && echo tests
tar czf t.tgz a n; tar tzvf t.tgz | sed 's/ \+/ /g;s/ [0-9-]* [0-9:]* / DATE /' | sort | head; mkdir x
tar xzf t.tgz -C x; diff a/f1 x/a/f1 && cmp n x/n && echo round; gzip -k9 n; zcat n.gz | cmp - n && echo gz
gzip -l n.gz | tail -1
