#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Where the instructions of a mark's intervals go, by function: what bench/marks_plugin.c wrote with blocks=on, a line each
`INSTRUCTIONS FUNCTION`, of one turn.

    scripts/tangram run --cpus 1 --qemu '-plugin build/bench/marks.so,dir=/tmp/m,blocks=on' -- /bin/call_cost 200 signal
    bench/functions.py /tmp/m/blocks-PID 7 200 build/processor/tangram.elf
"""

import argparse
import bisect
import collections
import subprocess


def symbols(path):
    """Sorted [(address, name)] of the code in an ELF file, or in a text as nm and /proc/kallsyms have it."""
    with open(path, "rb") as file:
        is_elf = file.read(4) == b"\x7fELF"
        file.seek(0)
        text = subprocess.run(["nm", path], stdout=subprocess.PIPE, check=True).stdout if is_elf else file.read()
    words = (line.split()[:3] for line in text.decode().splitlines())
    return sorted((int(found[0], 16), found[2]) for found in words if len(found) == 3 and found[1] in "tTwW")


def counts(path, mark, table):
    """Counter of instructions by function; addresses below the first symbol are the program's."""
    addresses, out = [address for address, _ in table], collections.Counter()
    with open(path, encoding="ascii") as file:
        for line in file:
            number, address, insns, times = line.split()
            at = bisect.bisect(addresses, int(address, 16)) - 1
            if int(number) == mark:
                out[table[at][1] if at >= 0 else "(program)"] += int(insns) * int(times)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("blocks")
    parser.add_argument("mark", type=int)
    parser.add_argument("turns", type=int)
    parser.add_argument("symbols", help="the machine's kernel, or its symbols as text")
    options = parser.parse_args()
    found = counts(options.blocks, options.mark, symbols(options.symbols))
    print("%10.1f of all" % (sum(found.values()) / options.turns))
    for name, insns in found.most_common():
        print("%10.1f %s" % (insns / options.turns, name))


if __name__ == "__main__":
    main()
