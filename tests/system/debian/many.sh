# SPDX-License-Identifier: MIT
# Ten thousand files in a folder, by coreutils: in memory, with all that is in them, and on the disk.
export LC_ALL=C
for d in /tmp /data; do
	echo "== $d"; mkdir -p $d/many && cd $d/many || exit 1
	seq 1 10000 | split -l 1 -a 4 -d - f; echo "status $?"
	ls | wc -l; ls | sha256sum; ls -f | sort | sha256sum; echo f* | wc -c; find . -type f | wc -l
	[ $d = /tmp ] && { cat f* | sha256sum; chmod -R 640 .; stat -c %a f0000 f9999; }
	ls -l | awk '{ n += $5 } END { print n }'; find . -name 'f99*' | xargs cat | sort -n | sha256sum
	mv f5000 moved; ln f6000 twice; rm f[0-3]*; ls | wc -l; cat moved twice
	rm -r $d/many; echo "status $?"
done
