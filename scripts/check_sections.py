#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Link-time check: no loadable segment of the kernel is writable and executable, and segments share no page."""
import struct
import sys

PT_LOAD, PF_X, PF_W = 1, 1, 2


def main():
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    phoff, = struct.unpack_from("<Q", data, 32)
    phentsize, phnum = struct.unpack_from("<HH", data, 54)
    pages = {}
    for i in range(phnum):
        kind, flags, _off, vaddr, _paddr, _filesz, memsz, _align = struct.unpack_from("<IIQQQQQQ", data, phoff + i * phentsize)
        if kind != PT_LOAD or memsz == 0:
            continue
        if flags & PF_X and flags & PF_W:
            sys.exit(f"{sys.argv[1]}: segment {i} at {vaddr:#x} is writable and executable")
        for page in {vaddr >> 12, (vaddr + memsz - 1) >> 12}:
            if pages.get(page, flags) != flags:
                sys.exit(f"{sys.argv[1]}: page {page << 12:#x} is shared by segments with different rights")
            pages[page] = flags


if __name__ == "__main__":
    main()
