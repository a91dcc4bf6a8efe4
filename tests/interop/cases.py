#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
The interop tests: a node of ours and a Linux VM with rdma_rxe and its own programs, on one wire. `cases.py [PART|NAME...]` runs
them in one set-up and prints a line `ok interop NAME SECONDS` or `FAIL interop NAME LOG` for each; `--list` names them. With
TANGRAM_LONG=PART those of a long part run instead (PARTS). TANGRAM_BUILD is the build folder.
"""

import os
import re
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "scripts")]

# The long parts, by the link's MTU and by who the server is: the smallest link takes 400,000 packets for the largest size.
PARTS = ["interop-%d-%s" % (mtu, role) for mtu in (500, 1500, 9000) for role in ("client", "server")]

_cases = []


class Case:
    def __init__(self, name, function, mtu, long, packets, look):
        self.name, self.function, self.mtu, self.long, self.packets, self.look = name, function, mtu, long, packets, look
        self.part = "interop-%d-%s" % (mtu, "server" if "server" in name else "client")


def add(name, function, mtu=1500, long=False, packets=1, look=None):
    """
    A test: function(lab, log). mtu: of the Linux VM's link; packets: fewer RoCE packets on the wire are a failure; look: is
    called with the capture's path, when it has been found good.
    """
    _cases.append(Case(name, function, mtu, long, packets, look))


def all_cases():
    import case_perftest, case_probe, case_tools    # noqa: F401, E401 (registers them)
    return sorted(_cases, key=lambda one: one.mtu)          # the link's MTU changes seldom


def run_case(lab, one, folder):
    import capture
    pcap, log = os.path.join(folder, one.name + ".pcap"), os.path.join(folder, one.name + ".log")
    with open(log, "w") as file:
        try:
            lab.set_mtu(one.mtu)
            lab.capture(pcap)
            try:
                one.function(lab, file)
            finally:
                time.sleep(0.3)             # what is said at the end of a connection
                lab.capture_end()
            capture.check(pcap, one.packets)
            if one.look is not None:
                one.look(pcap)
        except Exception:                   # noqa: B902 (a test that fails must not end the others)
            traceback.print_exc(file=file)
            lab.tell(file)
            return log
    os.unlink(pcap)
    return None


def ended(number, _):
    """A signal ends the tests as an exception does: their VMs go down with it."""
    sys.exit(128 + number)


def run_all(chosen, folder):
    """How many failed. They share a set-up, as long as it works."""
    from interop_lab import Lab
    failed, lab = 0, None
    try:
        for one in chosen:
            start = time.monotonic()
            if lab is None:
                try:
                    lab = Lab(folder, mtu=one.mtu)
                except Exception:           # noqa: B902
                    traceback.print_exc()
                    print("FAIL interop %s %s" % (one.name, folder), flush=True)
                    return failed + 1
            log = run_case(lab, one, folder)
            if log is None:
                print("ok   interop %s %.1f" % (one.name, time.monotonic() - start), flush=True)
            else:
                print("FAIL interop %s %s" % (one.name, log), flush=True)
                failed += 1
                if lab.broken():            # the others get a new one
                    lab.close()
                    lab = None
    finally:
        if lab is not None:
            lab.close()
    return failed


def main(names):
    if names == ["--parts"]:
        print("\n".join(PARTS))
        return 0
    part = os.environ.get("TANGRAM_LONG")
    if part and part not in PARTS:
        print("no part named %s: one of %s" % (part, " ".join(PARTS)), file=sys.stderr)
        return 2
    known = {one.name for one in all_cases()}

    def named(one):                         # in full, or by how the name begins
        return any(one.name == name if name in known else re.match(name.replace("*", ".*"), one.name) for name in names if name[0] != "-")
    chosen = [one for one in all_cases() if (named(one) if names and names != ["--list"] else one.part == part if part else not one.long)]
    if names == ["--list"]:
        print("\n".join(one.name for one in chosen))
        return 0
    if not chosen:
        print("no case named %s" % " ".join(names), file=sys.stderr)
        return 2
    from tangramlib.host import BUILD
    folder = os.path.join(BUILD, "check", "interop")
    os.makedirs(folder, exist_ok=True)
    signal.signal(signal.SIGTERM, ended)
    return 1 if run_all(chosen, folder) else 0


if __name__ == "__main__":
    sys.modules["cases"] = sys.modules["__main__"]      # the case files import this very module
    sys.exit(main(sys.argv[1:]))
