# SPDX-License-Identifier: MIT
"""
The same programs on Debian's Linux, under the same QEMU: a VM with all the memory it wants, or with a limit and swap on a network
block device, which a second VM serves from its memory; and a bare RDMA READ between the two. The wire is our switch, too.
"""

import os
import sys

from measure import BUILD, OUT, ROOT

sys.path.append(os.path.join(ROOT, "tests", "interop"))

from linux_vm import LinuxVm                    # noqa: E402
from tangramlib import wire                     # noqa: E402
from tangramlib.host import TangramError        # noqa: E402
from tangramlib.nodes import node_ip            # noqa: E402
from tangramlib.processes import PrivateFolder, stop    # noqa: E402

INITRD = os.path.join(BUILD, "bench", "linux", "initrd")
WORKER, SERVER, PORT = 10, 11, 10809
SWAP_MB = 1024
READ_AHEAD, NO_READ_AHEAD = 3, 0        # vm.page-cluster: 8 pages (the default), 1


class LinuxSwap:
    """Two VMs; use with `with`. text: a file that the worker gets as /tmp/text."""

    def __init__(self, cpus=1, text=None, memory="768M"):
        log = os.path.join(OUT, "log")
        os.makedirs(log, exist_ok=True)
        self.folder, self.vms, self.limited = PrivateFolder(), [], False
        self.switch = wire.start(self.folder.path, os.path.join(log, "linux-switch.log"))
        path = os.path.join(self.folder.path, "wire")
        disk = ["-drive", "file=%s,format=raw,if=none,id=text,readonly=on" % text.replace(",", ",,"),
                "-device", "virtio-blk-pci,drive=text"] if text else []
        try:
            for number, options in ((WORKER, disk), (SERVER, [])):
                self.vms.append(LinuxVm(self.folder.path, path, number, log, 9000, memory if number == WORKER else "%dM" % (SWAP_MB + 384),
                                        cpus if number == WORKER else 1, INITRD, options))
            for vm in self.vms:
                vm.wait_ready()
            if text:
                size = os.path.getsize(text)
                self.must(self.worker, "head -c %d /dev/vda > /tmp/text" % size, 60)
            self._swap()
        except BaseException:
            self.close()
            raise

    worker = property(lambda self: self.vms[0])
    server = property(lambda self: self.vms[1])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        for vm in self.vms:
            vm.close()
        stop([self.switch])
        self.folder.remove()

    @staticmethod
    def must(vm, command, seconds=120):
        done = vm.run(command, seconds)
        if done.status != 0:
            raise TangramError("Linux: %s: status %d: %s" % (command, done.status, done.out.strip()[-300:]))
        return done.out

    def _swap(self):
        self.must(self.server, "ulimit -n 64; mount -o remount,size=100%% /tmp; truncate -s %dM /tmp/swap; "
                               "nbd-server %d /tmp/swap" % (SWAP_MB, PORT))
        self.must(self.worker, "ulimit -n 64; until nbd-client %s %d /dev/nbd0 -b 4096 -swap; do usleep 200000; done; "
                               "mkswap /dev/nbd0; swapon /dev/nbd0" % (node_ip(SERVER), PORT))
        self.must(self.worker, "mkdir -p /cg; mount -t cgroup2 cg /cg; echo +memory > /cg/cgroup.subtree_control; mkdir /cg/work")

    def run(self, command, limit=None, read_ahead=READ_AHEAD, seconds=600):
        """What a command writes; limit: bytes of memory for it, the rest is swapped."""
        self.must(self.worker, "echo %s > /cg/work/memory.max; echo %d > /proc/sys/vm/page-cluster"
                  % ("max" if limit is None else limit // 4096 * 4096, read_ahead))
        return self.must(self.worker, "echo 0 > /cg/work/cgroup.procs; exec %s" % command, seconds)

    def swapped(self):
        """(pages swapped in, pages swapped out) since boot."""
        found = dict(line.split() for line in self.must(self.worker, "grep ^pswp /proc/vmstat").splitlines())
        return int(found["pswpin"]), int(found["pswpout"])

    def rdma_read_us(self, waits=False, count=1000):
        """(median, p99) of a READ of 4 KiB, from the worker of the server's memory. waits: for an event, instead of polling."""
        for port in range(18515, 18520):    # a server that listens may refuse all the same: its device comes later
            command = "ib_read_lat -F -R -p %d -s 4096 -n %d%s" % (port, count, " -e" if waits else "")
            job = self.server.begin(command)
            self.server.wait_listening(port)
            done = self.worker.run("sleep 1; %s %s" % (command, node_ip(SERVER)), 60)
            if done.status == 0:
                break
            self.server.run("killall ib_read_lat")
        self.server.end(job)
        # bytes, count, min, max, typical (the median), average, deviation, 99 %, 99.9 %
        rows = [line.split() for line in done.out.splitlines() if line.split()[:2] == ["4096", str(count)]]
        if not rows:
            raise TangramError("ib_read_lat: status %d: %s" % (done.status, done.out.strip()[-300:]))
        return float(rows[0][4]), float(rows[0][7])
