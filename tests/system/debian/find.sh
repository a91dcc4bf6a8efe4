# SPDX-License-Identifier: MIT
cd /tmp && mkdir f && cd f
mkdir -p a/b/c d; for i in $(seq 20); do head -c $((i * 100)) /dev/zero > a/f$i; done; ln -s ../d a/link
ln a/f1 a/hard; mkfifo a/fifo; touch -d 2001-02-03 a/old; chmod 600 a/f2; touch 'a/with space'
find . -printf '%y %m %n %P %s %l\n' | grep -v '^d' | sort
find . -type d -printf '%y %m %P\n' | sort
find a -size +1k -type f | sort; find a -newermt 2001-01-01 ! -newermt 2002-01-01; find . -links 2 -type f | sort
find -L . -type d | sort; find . -maxdepth 2 -name 'f1*' | sort
find a -name 'f[1-5]' -exec wc -c {} + | sort; find a -name 'f2*' -print0 | sort -z | xargs -0 -n 3 echo
find a -type f -print0 | xargs -0 -P 4 -n 2 cksum | sort
find a -empty | sort; find a -perm 600; find . -samefile a/f1 | sort; find . -name 'f1?' -delete; find a | wc -l
find . -regex '.*/f[0-9]' | sort; find . -depth | tail -1; seq 100 | xargs -n 30 echo | cut -c1-20
echo a b c | xargs -I{} echo '<{}>'; find nothing; echo "rc $?"
find a \( -name 'f3' -o -name 'f4' \) -a -not -empty -printf '%f %k\n' | sort | cut -d' ' -f1; echo x | xargs false
echo "rc $?"
