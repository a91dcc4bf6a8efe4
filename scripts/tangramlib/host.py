# SPDX-License-Identifier: MIT
"""What is asked of the host: its programs, where things lie, sizes as people write them, errors for people."""

import os
import re
import shutil


class TangramError(Exception):
    """Something a person must be told in one line; the tool ends with its status (125: the cluster failed)."""

    def __init__(self, text, status=125):
        super().__init__(text)
        self.status = status


ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BUILD = os.environ.get("TANGRAM_BUILD", os.path.join(ROOT, "build"))

PACKAGES = {            # which Debian package brings a program
    "mke2fs": "e2fsprogs", "debugfs": "e2fsprogs", "e2fsck": "e2fsprogs", "resize2fs": "e2fsprogs",
    "dumpe2fs": "e2fsprogs", "qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "bible": "bible-kjv",
    "mformat": "mtools", "mcopy": "mtools", "addr2line": "binutils", "tshark": "tshark",
}


def find_program(name):
    """The path of a host program; /sbin is not in an ordinary user's PATH, so it is looked into as well."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        raise TangramError("%s is not installed: run scripts/setup (Debian package %s)"
                           % (name, PACKAGES.get(name, name)))
    return path


def parse_size(text):
    """Bytes from '16M', '4096', '1G', '64K'."""
    match = re.fullmatch(r"([0-9]+)([KMGT]?)(i?B)?", text.strip(), re.IGNORECASE)
    if not match:
        raise ValueError("not a size: '%s' (like 4096, 64K, 16M, 1G)" % text)
    return int(match.group(1)) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[match.group(2).upper()]


def format_size(size):
    """The shortest exact form of a size: 16777216 -> '16M'."""
    for shift, letter in ((30, "G"), (20, "M"), (10, "K")):
        if size and size % (1 << shift) == 0:
            return "%d%s" % (size >> shift, letter)
    return str(size)
