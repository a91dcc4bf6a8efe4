#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
The kernels' images: no segment is writable and executable, and no page holds code and something writable: each store to
such a page would throw away translated code (lesson: L32). Usage: image_layout_test.py ELF...
"""

import struct
import sys

PAGE = 4096
LOAD, EXEC, WRITE = 1, 1, 2


def segments(path):
    """[(first page, page behind the last, flags)] of what is loaded."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:5] == b"\x7fELF\x02", path + " is no 64-bit ELF"
    offset, size, number = struct.unpack_from("<Q14xHH", data, 32)
    found = []
    for i in range(number):
        kind, flags, _, start, _, _, length, _ = struct.unpack_from("<IIQQQQQQ", data, offset + i * size)
        if kind == LOAD and length:
            found.append((start // PAGE, (start + length + PAGE - 1) // PAGE, flags))
    return found


def main():
    bad = 0
    for path in sys.argv[1:]:
        found = segments(path)
        if not any(flags & EXEC for _, _, flags in found) or not any(flags & WRITE for _, _, flags in found):
            bad += 1
            print("%s: code or data is missing" % path)
        for first, behind, flags in found:
            if flags & EXEC and flags & WRITE:
                bad += 1
                print("%s: pages %#x to %#x are writable and executable" % (path, first, behind))
            for other, end, theirs in found:
                if flags & EXEC and theirs & WRITE and first < end and other < behind:
                    bad += 1
                    print("%s: code and data share pages from %#x" % (path, max(first, other)))
    print("%d images, %d faults" % (len(sys.argv) - 1, bad))
    return 1 if bad or len(sys.argv) == 1 else 0


if __name__ == "__main__":
    sys.exit(main())
