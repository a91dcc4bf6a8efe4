# SPDX-License-Identifier: MIT
# All of it is done by busybox: its shell, and its applets instead of the programs of the same names.
mkdir -p /tmp/box && /usr/bin/busybox --install -s /tmp/box && cat > /tmp/script <<'END'
cd /tmp && mkdir -p work/a/b work/c && cd work || exit 1
echo "== shell"; f() { local n=$1; [ $n -lt 2 ] && echo $n || echo $(( $(f $((n - 1))) + $(f $((n - 2))) )); }; f 9
for w in c a b; do echo $w; done | sort | tr '\n' ' '; case abc in a*) echo begins;; esac; x=hello; echo ${x#he} ${#x} ${x%lo}
trap 'echo trapped' USR1; kill -USR1 $$; (exit 3); echo "status $?"; sleep 0.1 & wait $!; echo "status $?"; set -- 1 2 3; shift; echo $# $*
while read a b; do echo "$b $a"; done <<HERE
one two
three four
HERE
echo "== awk"; seq 1 1000 | awk '{ s += $1; c[$1 % 7]++ } END { print s; for (i = 0; i < 7; i++) printf "%d:%d ", i, c[i]; print "" }'
echo a:b:c | awk -F: '{ print $3 $1, length($0), toupper($2), substr($0, 2, 2), index($0, "c") }'
awk 'BEGIN { printf "%.3f %x %s\n", 22 / 7, 255, sprintf("%05d", 42); while (("seq 3" | getline l) > 0) print "got " l }'
echo "== sed"; seq 1 10 | sed -n '3,5p;$p'; echo hello world | sed 's/\(h[a-z]*\) \(w.*\)/\2 \1/;y/abc/xyz/'; seq 1 6 | sed '2d;4a\
after four
/3/!s/$/./'; seq 1 3 > s; sed -i 's/2/two/' s; cat s
echo "== find"; for n in 1 2 3; do echo $n > a/f$n; done; head -c 3000 /dev/zero > a/b/zeros; ln -s a/f1 link; find . | sort; find . -type f -size +1k
find . -name 'f[12]' -exec cat {} \; | sort; find . -type l; find a -type f -print0 | xargs -0 -n 1 basename | sort | xargs
echo "== tar"; tar -czf all.tgz a link && tar -tzf all.tgz | sort; mkdir out && tar -xzf all.tgz -C out && diff -r a out/a && readlink out/link
gzip -c a/b/zeros | gunzip | md5sum; gzip -k a/b/zeros && zcat a/b/zeros.gz | wc -c; bzip2 -k a/f1 && bunzip2 -c a/f1.bz2; (find a | sort | cpio -o -H newc 2>/dev/null) | cpio -t 2>/dev/null | wc -l
echo "== others"; printf 'b 2\na 1\nb 1\n' | sort -k1,1 -k2,2n | uniq -c; seq 1 30 | md5sum; seq 1 30 | sha256sum; cut -d' ' -f2 <<HERE
a b c
HERE
seq 1 5 | tac | paste -s -d,; expr 6 \* 7; dd if=/dev/zero bs=1k count=5 2>/dev/null | wc -c; od -c s | head -2; printf '%s\n' x y | nl; basename /a/b.c .c; dirname /a/b
chmod 640 a/f1 && stat -c '%a %s %F' a/f1; touch -d '2001-02-03 04:05:06' a/f2 && date -u -r a/f2; date -u -d @1000000000; cp -r a copy && du -s copy > /dev/null && rm -rf copy && ls
seq 1 100 | grep -c 7; echo abc | grep -o 'b.'; test -d a && echo folder; mktemp -u /tmp/xXXXXXX | wc -c; id -u; env -i A=b env; seq 3 | tee t1 | wc -l; cmp s t1; echo "status $?"
ps | grep -c '[b]usybox\|[s]h'  > /dev/null; mkfifo p && (echo through > p &) && cat p; timeout 0.3 sleep 5; echo "status $?"; unlink p; ls -l / > /dev/null; vi --help > /dev/null 2>&1; bc <<HERE
2 ^ 70
HERE
END
PATH=/tmp/box /usr/bin/busybox sh /tmp/script 2>&1; echo "status $?"
