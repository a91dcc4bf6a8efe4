# SPDX-License-Identifier: MIT
# With a cache that is smaller than what is sorted.
export LC_ALL=C
awk -v P="$(printf %090d 0)" 'BEGIN { x = 1; while (n < 20971520) { x = (x * 16807) % 2147483647; l = sprintf("%010d %d %s", x, ++k, P); n += length(l) + 1; print l } }' > /tmp/large
wc < /tmp/large; sort -S 24M --parallel=1 /tmp/large > /tmp/sorted; echo "status $?"; sha256sum < /tmp/sorted; head -1 /tmp/sorted
