# SPDX-License-Identifier: MIT
# Ten thousand files in a folder, in memory and on the disk, by coreutils.
export LC_ALL=C
for d in /tmp /data; do
	echo "== $d"; mkdir -p $d/many && cd $d/many || exit 1
	seq 1 10000 | split -l 1 -a 4 -d - f; echo "status $?"
	ls | wc -l; ls | sha256sum; ls -f | sort | sha256sum; ls -l | awk '{ n += $5 } END { print n }'; cat f* | sha256sum
	echo f* | wc -c; wc -l f* | tail -1; find . -type f | wc -l; find . -name 'f99*' | xargs cat | sort -n | sha256sum
	chmod -R 640 . ; stat -c %a f0000 f9999; touch -d @1000000000 f1*; stat -c %Y f1000 f1999
	[ $d = /tmp ] && { cp -r . ../copy; ls ../copy | wc -l; cat ../copy/f* | sha256sum; rm -r ../copy; }
	mv f5000 moved; ln f6000 twice; rm f[0-4]*; ls | wc -l; cat moved twice
	rm -r $d/many; echo "status $?"
done
