# SPDX-License-Identifier: MIT
"""A Linux VM beside the cluster: the same QEMU, one CPU, Debian's kernel without mitigations; the interop tests' VM without a network."""

import os
import sys
import tempfile

from measure import OUT, ROOT

sys.path.append(os.path.join(ROOT, "tests", "interop"))

from linux_vm import LinuxVm                    # noqa: E402


class Linux:
    """with Linux(options of QEMU) as linux: linux.run("command")"""

    def __init__(self, *options, memory="512M"):
        self.options, self.memory = options, memory

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tangram-bench-")
        self.vm = LinuxVm(self.folder.name, None, 9, OUT, memory=self.memory, initrd="bench-initrd", options=self.options)
        try:
            self.vm.wait_ready(180)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.vm.close()
        self.folder.cleanup()

    def run(self, command, seconds=300):
        done = self.vm.run(command, seconds)
        if done.status != 0:
            raise RuntimeError("Linux: %s: status %d: %s" % (command, done.status, done.out[-300:]))
        return done.out

    def off(self):
        """Ends the machine as its own command does, so that QEMU's plugins write what they have."""
        self.vm.sock.shutdown(1)
        self.vm.process.wait(60)
