# SPDX-License-Identifier: MIT
"""The switch between the nodes: starting it and talking to it."""

import os
import socket
import time

from .host import BUILD, TangramError
from .processes import spawn


def switch_program():
    path = os.environ.get("TANGRAM_WIRE", os.path.join(BUILD, "tools", "tangram-wire"))
    if not os.path.exists(path):
        raise TangramError("no switch: %s does not exist (run `make tools`)" % path)
    return path


def start(folder, output, faults=None, pcap=None):
    """Start the switch of a cluster; it listens when this returns."""
    command = [switch_program(), "--listen", os.path.join(folder, "wire"),
               "--control", os.path.join(folder, "wire-control")]
    if pcap:
        command += ["--pcap", pcap]
    if faults:
        command += ["--faults", faults]
    process = spawn(command, output)
    deadline = time.monotonic() + 10
    while not os.path.exists(os.path.join(folder, "wire")):
        if process.poll() is not None:
            with open(output) as file:
                text = file.read().strip().splitlines()
            raise TangramError(text[-1].replace("tangram-wire: ", "") if text else "the switch does not start")
        if time.monotonic() > deadline:
            process.kill()
            raise TangramError("the switch does not start")
        time.sleep(0.002)
    return process


def command(folder, line):
    """Give the switch one command; returns the lines of its answer."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        try:
            sock.connect(os.path.join(folder, "wire-control"))
            sock.sendall(line.encode() + b"\n")
            answer = b""
            while True:
                lines = answer.decode().splitlines()
                if answer.endswith(b"\n") and (lines[-1] == "ok" or lines[-1].startswith("error ")):
                    break
                data = sock.recv(65536)
                if not data:
                    raise TangramError("the switch is gone")
                answer += data
        except OSError as error:
            raise TangramError("the switch does not answer: %s" % error) from None
    if lines[-1].startswith("error "):
        raise TangramError("the switch: %s" % lines[-1][6:])
    return lines[:-1]
