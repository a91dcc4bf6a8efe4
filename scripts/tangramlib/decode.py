# SPDX-License-Identifier: MIT
"""`tangram decode`: a log with kernel addresses turned into functions and lines, RPC numbers into names."""

import glob
import os
import re
import subprocess
import sys

from .host import BUILD, ROOT, TangramError, find_program

ADDRESS = re.compile(r"\b(?:0x)?(ffffffff[89a-f][0-9a-f]{7})\b")
ROLE = re.compile(r"^\[ *[0-9]+\.[0-9]+\] +\S+ +(processor|memory|storage)\b")
RPC = re.compile(r"\b((?:rpc|op|opcode)[ =:]+)(0x[0-9a-f]+)\b(?! \()", re.IGNORECASE)
DEFINITION = re.compile(r"\bX\((0x[0-9a-fA-F]+),\s*(\w+),")


def rpc_names(folder=None):
    """{number: name} from the protocol's definition."""
    names = {}
    for path in sorted(glob.glob(os.path.join(folder or os.path.join(ROOT, "managers", "protocol"), "*.h"))):
        with open(path, encoding="utf-8", errors="replace") as file:
            names.update({int(number, 16): name for number, name in DEFINITION.findall(file.read())})
    return names


class Kernel:
    """Answers for the addresses of one kernel."""

    def __init__(self, path):
        self.path, self.known = path, {}

    def look_up(self, addresses):
        """Ask for all addresses at once: starting addr2line for each would take seconds."""
        new = sorted(set(addresses) - set(self.known))
        if not new:
            return
        done = subprocess.run([find_program("addr2line"), "-f", "-e", self.path, *new], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        lines = done.stdout.splitlines()
        for i, address in enumerate(new):
            function, place = (lines + ["??", "??"] * len(new))[2 * i:2 * i + 2]
            place = place.split(" (discriminator")[0]
            if place.startswith(ROOT + "/"):
                place = place[len(ROOT) + 1:]
            self.known[address] = None if function == "??" else \
                function if place.startswith("??") else "%s, %s" % (function, place)

    def name(self, address):
        return self.known.get(address)


def decode(lines, kernels, names):
    """The lines with what is known put behind each address and number. kernels: {role or None: Kernel}."""
    lines, role = list(lines), None
    wanted, roles = {}, []
    for line in lines:
        found = ROLE.match(line)
        role = found.group(1) if found else role        # a line without a stamp goes on with the one before
        roles.append(role)
        kernel = kernels.get(role) or kernels.get(None)
        if kernel:
            wanted.setdefault(kernel, []).extend(ADDRESS.findall(line))
    for kernel, addresses in wanted.items():
        kernel.look_up(addresses)
    for line, role in zip(lines, roles):
        kernel = kernels.get(role) or kernels.get(None)
        if kernel:
            line = ADDRESS.sub(lambda m: m.group(0) + (" (%s)" % kernel.name(m.group(1))
                                                       if kernel.name(m.group(1)) else ""), line)
        yield RPC.sub(lambda m: m.group(0) + (" (%s)" % names[int(m.group(2), 16)]
                                              if int(m.group(2), 16) in names else ""), line)


def main(options):
    try:
        if options.log == "-":
            lines = sys.stdin.buffer.read().decode(errors="replace").splitlines()
        else:
            with open(options.log, "rb") as file:
                lines = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        raise TangramError("%s: %s" % (options.log, error.strerror)) from None
    if options.kernel:
        if not os.path.exists(options.kernel):
            raise TangramError("--kernel: %s does not exist" % options.kernel)
        kernels = {None: Kernel(options.kernel)}
    else:
        kernels = {role: Kernel(path) for role in ("processor", "memory", "storage")
                   for path in [os.path.join(BUILD, role, "tangram.elf")] if os.path.exists(path)}
    for line in decode(lines, kernels, rpc_names()):
        print(line)
    return 0
