# SPDX-License-Identifier: MIT
"""The command line of scripts/tangram."""

import argparse
import os
import re
import shlex

from .host import TangramError, parse_size
from .nodes import ROLES, SHORT

DESCRIPTION = "Run Linux programs on a cluster of processor, memory and storage nodes, each a QEMU virtual machine."

EPILOG = """
exit status: the program's; 128+n when signal n ended it; 124 on timeout; 125 when the cluster failed or the command
line is wrong. Lines of the tool itself go to stderr and begin with 'tangram: '.
"""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise TangramError("%s (see scripts/tangram %s --help)" % (message, self.prog.split()[-1]
                                                                   if " " in self.prog else ""))


def size(text):
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def number(least, most):
    def parse(text):
        if not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError("'%s' is not a number from %d to %d" % (text, least, most))
        return int(text)
    return parse


def seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not value > 0:
        raise argparse.ArgumentTypeError("'%s' is not a positive number of seconds" % text)
    return value


def disk(text):
    file, colon, rest = text.partition(":")
    mount, _, mode = rest.partition(":")
    if not file or not colon or not mount.startswith("/") or mount == "/" or mode not in ("", "rw", "ro"):
        raise argparse.ArgumentTypeError("'%s' is not FILE:MOUNTPOINT" % text)
    return file, mount, mode or "rw"


def file_pair(left_name, right_name):
    def parse(text):
        left, equals, right = text.partition("=")
        if not left or not equals or not right:
            raise argparse.ArgumentTypeError("'%s' is not %s=%s" % (text, left_name, right_name))
        return left, right
    return parse


def environment(text):
    if text.startswith("=") or "=" not in text:
        raise argparse.ArgumentTypeError("'%s' is not NAME=VALUE" % text)
    return text


def append(text):
    role, colon, words = text.partition(":")
    role = SHORT.get(role, role)
    if not colon or role not in ROLES + ("all",):
        raise argparse.ArgumentTypeError("'%s' is not ROLE:'name=value ...' (ROLE: %s, all)" % (text, ", ".join(ROLES)))
    return role, shlex.split(words)


class Tap:
    def __init__(self, bridge):
        self.bridge = bridge


def wiring(text):
    """None for the switch, or a Tap."""
    if text == "switch":
        return None
    kind, colon, bridge = text.partition(":")
    if kind != "tap" or colon and not re.fullmatch(r"[A-Za-z0-9_.-]{1,15}", bridge):
        raise argparse.ArgumentTypeError("'%s' is not switch, tap or tap:BRIDGE" % text)
    return Tap(bridge)


def add_cluster_options(parser):
    group = parser.add_argument_group("the cluster")
    group.add_argument("--cpus", type=number(1, 16), default=2, help="of the processor node (2)")
    group.add_argument("--memory", type=size, default=256 << 20, help="of the processor node (256M)")
    group.add_argument("--pcache", type=size, default=16 << 20, help="size of the processor's cache (16M)")
    group.add_argument("--ways", type=number(1, 1024), default=16, help="lines of a cache set (16)")
    group.add_argument("--victim", type=number(0, 1 << 16), default=32, help="entries of the victim cache (32)")
    group.add_argument("--policy", choices=("lru", "fifo", "clock", "random"), default="lru")
    group.add_argument("--mem-memory", type=size, default=1 << 30, help="of the memory node (1G)")
    group.add_argument("--mem-cpus", type=number(1, 16), default=1, help="of the memory node (1)")
    group.add_argument("--image", default="default", metavar="NAME|FILE",
                       help="the root disk, never changed by a run (default)")
    group.add_argument("--disk", dest="disks", type=disk, action="append", default=[], metavar="FILE:MOUNTPOINT[:ro]",
                       help="one more disk; what is written to it stays")
    group.add_argument("--add", type=file_pair("HOSTPATH", "GUESTPATH"), action="append", default=[],
                       metavar="HOSTPATH=GUESTPATH", help="copy a file or folder onto the run's root disk")
    group.add_argument("--boot", choices=("direct", "grub", "uefi"), default="direct",
                       help="the ELF by QEMU, or the rescue image by BIOS or by UEFI")
    group.add_argument("--nic", choices=("virtio", "e1000e"), default="virtio")
    group.add_argument("--wire", dest="tap", type=wiring, default=None, metavar="switch|tap[:BRIDGE]",
                       help="a switch of our own, or tap devices on a bridge of the host's (root; default: switch)")
    group.add_argument("--queues", type=number(1, 8), default=1, help="queue pairs of each virtio card, on tap devices (1)")
    group.add_argument("--append", type=append, action="append", default=[], metavar="ROLE:'k=v ...'",
                       help="more kernel parameters for a role, or for all")
    group.add_argument("--faults", metavar="SPEC", help="what the wire does to frames: see build/tools/tangram-wire --help")
    group.add_argument("--pcap", metavar="FILE", help="record the wire")
    group.add_argument("--log-dir", metavar="DIR", help="where the nodes' logs go (default: build/log/run-...)")
    group.add_argument("--boot-timeout", type=seconds, default=60, metavar="S", help="for the nodes to be ready (60)")
    group.add_argument("--qemu", type=shlex.split, default=[], metavar="OPTIONS", help="more options for every QEMU")
    group.add_argument("--quiet", action="store_true", help="no lines of the tool's own but errors")


def add_program_options(parser):
    group = parser.add_argument_group("the program")
    group.add_argument("--env", type=environment, action="append", default=[], metavar="K=V")
    group.add_argument("--cwd", default="/", metavar="DIR")
    group.add_argument("-t", dest="tty", action="store_true", help="give the program a terminal")
    group.add_argument("--stdin", metavar="FILE", help="read it instead of the caller's stdin")
    group.add_argument("--timeout", type=seconds, metavar="S", help="end everything after S seconds: status 124")
    group.add_argument("--json", metavar="FILE", help="write what was measured")
    parser.add_argument("program", nargs="*", metavar="-- PROGRAM [ARG...]", help="with a path, or a name in /bin")


def parse(argv):
    """The options of a command; what follows the first -- is the program's, whatever it looks like."""
    own, program = argv, None
    if "--" in argv:
        own, program = argv[:argv.index("--")], argv[argv.index("--") + 1:]
    options = build_parser().parse_args(own)
    if hasattr(options, "program"):
        if program is not None and options.program:
            raise TangramError("what is '%s' before the -- ?" % options.program[0])
        options.program = options.program if program is None else program
        if not options.program and options.command != "shell":
            raise TangramError("no program to run (after --)")
    elif program is not None:
        raise TangramError("'%s' runs no program" % options.command)
    return options


def build_parser():
    parser = Parser(prog="tangram", description=DESCRIPTION, epilog=EPILOG,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="COMMAND")

    run = commands.add_parser("run", help="boot a cluster, run one program on it, power it off", epilog=EPILOG)
    add_cluster_options(run)
    run.add_argument("--get", type=file_pair("GUESTPATH", "HOSTPATH"), action="append", default=[],
                     metavar="GUESTPATH=HOSTPATH", help="copy a file or folder out afterwards, also after failure")
    add_program_options(run)

    shell = commands.add_parser("shell", help="a shell of the Debian image on a new cluster; its exit powers it off", epilog=EPILOG)
    add_cluster_options(shell)
    add_program_options(shell)
    shell.add_argument("--verbose", action="store_true", help="also the lines that `run` says")
    shell.set_defaults(image="debian", cwd="/root", memory=512 << 20, pcache=64 << 20)

    up = commands.add_parser("up", help="boot a cluster that stays")
    add_cluster_options(up)
    up.add_argument("--name", required=True)

    execute = commands.add_parser("exec", help="run a program on a cluster that stays", epilog=EPILOG)
    execute.add_argument("name")
    add_program_options(execute)
    execute.add_argument("--quiet", action="store_true")

    down = commands.add_parser("down", help="power a cluster off")
    down.add_argument("name")
    down.add_argument("--get", type=file_pair("GUESTPATH", "HOSTPATH"), action="append", default=[],
                      metavar="GUESTPATH=HOSTPATH", help="copy a file or folder out")

    commands.add_parser("list", help="the clusters that stay")

    wire = commands.add_parser("wire", help="print how another VM joins a cluster's wire; record it; change its faults")
    wire.add_argument("name")
    wire.add_argument("--pcap", metavar="FILE|off")
    wire.add_argument("--faults", metavar="SPEC|off")
    wire.add_argument("--stats", action="store_true")

    counters = commands.add_parser("counters", help="a table of the nodes' counters from the logs")
    counters.add_argument("folders", nargs="+", metavar="LOGDIR", help="two: with the difference")
    counters.add_argument("--csv", action="store_true")
    counters.add_argument("--all", action="store_true", help="also those that are zero everywhere")

    decode = commands.add_parser("decode", help="symbolise stack traces in a log, name RPC opcodes")
    decode.add_argument("log", metavar="LOG", help="a file, or - for stdin")
    decode.add_argument("--kernel", metavar="ELF", help="the kernel that wrote it (default: by the role in its lines)")
    return parser


def check_cluster(config):
    """What can be said about the options before anything is started."""
    if config.log_dir:
        config.log_dir = os.path.abspath(config.log_dir)
    if config.pcap:
        config.pcap = os.path.abspath(config.pcap)
    for name in ("memory", "mem_memory"):
        if getattr(config, name) < 16 << 20:
            raise TangramError("--%s: a node needs at least 16M" % name.replace("_", "-"))
    if config.pcache >= config.memory:
        raise TangramError("--pcache: a cache of %dM does not fit in a processor node with --memory %dM"
                           % (config.pcache >> 20, config.memory >> 20))
    if config.tap and (config.pcap or config.faults):
        raise TangramError("--pcap and --faults are done by the switch: not with --wire tap")
    if config.queues > 1 and (not config.tap or config.nic != "virtio"):
        raise TangramError("--queues: only with --wire tap and --nic virtio")
    for file, _, _ in config.disks:
        if not os.path.isfile(file):
            raise TangramError("--disk: %s does not exist" % file)
        if not os.access(file, os.R_OK | os.W_OK):
            raise TangramError("--disk: %s may not be read and written" % file)
    config.disks = [(os.path.abspath(file), mount, mode) for file, mount, mode in config.disks]
    config.storage_memory = 256 << 20
    if not hasattr(config, "stays"):
        config.stays = False
    if not hasattr(config, "hostname"):
        config.hostname = "tangram"
