#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Turns `nm -n` of a kernel (stdin) into an assembly table of its text symbols (stdout).

The table is read-only data behind all text, so that adding it moves no text symbol. Layout: symbol_count, then
symbol_offsets[] (u32, from kernel_text_start, ascending), symbol_name_offsets[] (u32), symbol_names.
"""
import sys


def main():
    symbols, base = [], None
    for line in sys.stdin:
        parts = line.split()
        if len(parts) != 3:
            continue
        address, kind, name = int(parts[0], 16), parts[1], parts[2]
        if name == "kernel_text_start":
            base = address
        if kind in "tT":
            symbols.append((address, name))
    symbols = [(a, n) for a, n in symbols if base is not None and a >= base]
    out = ['\t.section .rodata.symbols,"a"', "\t.balign 8",
           "\t.globl symbol_count, symbol_offsets, symbol_name_offsets, symbol_names",
           "symbol_count:", f"\t.long {len(symbols)}", "symbol_offsets:"]
    at, offsets = 0, []
    for address, name in symbols:
        out.append(f"\t.long {address - base:#x}")
        offsets.append(at)
        at += len(name) + 1
    out.append("symbol_name_offsets:")
    out += [f"\t.long {o}" for o in offsets]
    out.append("symbol_names:")
    out += [f'\t.asciz "{n}"' for _, n in symbols]
    out += ["\t.byte 0", '\t.section .note.GNU-stack,"",@progbits']
    print("\n".join(out))


if __name__ == "__main__":
    main()
