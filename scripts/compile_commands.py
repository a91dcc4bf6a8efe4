#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""compile_commands.json for editors and clang tools (stdout): every compilation that a full build would do."""

import json
import os
import re
import subprocess
import sys

ROLES = ("processor", "memory", "storage")


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    entries = {}
    for role in ROLES:
        dry = subprocess.run(["make", "-Bn", "V=1", "ROLE=" + role, "O=" + build, "kernel"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in dry.stdout.replace("\\\n", " ").splitlines():
            match = re.match(r"\s*(\S*(?:gcc|clang|cc)\S*) .* -c (\S+\.c) ", line)
            if match:           # a file built for several roles: the first one stands for all
                entries.setdefault(match.group(2), {"directory": os.getcwd(), "file": match.group(2),
                                                    "command": line.strip()})
    json.dump(sorted(entries.values(), key=lambda entry: entry["file"]), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
