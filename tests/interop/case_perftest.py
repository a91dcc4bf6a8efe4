# SPDX-License-Identifier: MIT
"""perftest over the connection manager (-R): every test in both roles, by sizes."""

import re

from case_tools import PATH_MTU, linux_client, linux_server
from cases import add
from interop_lab import NODE
from tangramlib.nodes import node_ip

PORT = 18515
COUNT = 100
TESTS = ("ib_send_lat", "ib_send_bw", "ib_write_lat", "ib_write_bw", "ib_read_lat", "ib_read_bw")


def options(test, size, mtu):
    words = {"ib_send_lat_ud": "ib_send_lat -c UD"}.get(test, test) + " -R -F -n %d" % COUNT
    return words if test.startswith("ib_atomic") else words + " -s %d" % size


def has_result(out, size):
    """All were done. Their times are "inf" where perftest could not tell its clock's pace, as on a busy host, and says so."""
    time = r"(?:[0-9.]+|inf)" if "Correlation coefficient" in out else "[0-9.]+"
    assert re.search(r"^ *%d +%d +%s " % (size, COUNT, time), out, re.MULTILINE), "no result line: %s" % out


def perftest(test, size, mtu, long=False):
    job = [test, "size=%d" % size, "count=%d" % COUNT]

    packets = COUNT * max(1, size // PATH_MTU[mtu])
    seconds = 120 + packets // 400              # Linux sends some thousands a second; a busy host's fewer

    def client(lab, log):
        assert lab.node.rdma(*job) is None
        has_result(linux_client(lab, log, "%s %s" % (options(test, size, mtu), node_ip(NODE)), seconds), size)

    def server(lab, log):
        linux_server(lab, log, options(test, size, mtu), PORT, [*job, "mtu=%d" % PATH_MTU[mtu], lab.linux.ip], seconds)
    for role in (client, server):
        add("%s-%d-%d-%s" % (test, size, mtu, role.__name__), role, mtu, long, min(packets, 10000))


SELECTED = {        # sizes by MTU, in `make check`
    500: (300,), 1500: (64, 65536), 9000: (1,),
}
for one in TESTS:
    for mtu, sizes in SELECTED.items():
        for power in range(21):
            if 1 << power not in sizes and (one, power, mtu) != ("ib_write_bw", 20, 9000):
                perftest(one, 1 << power, mtu, True)
        for length in sizes:
            perftest(one, length, mtu)
perftest("ib_write_bw", 1 << 20, 9000)
for mtu, length in {500: 64, 1500: 1024, 9000: 4096}.items():
    perftest("ib_send_lat_ud", length, mtu)
    for power in range(13):                     # a datagram is one packet
        if 1 << power != length and 1 << power <= PATH_MTU[mtu]:
            perftest("ib_send_lat_ud", 1 << power, mtu, True)
    for test in ("ib_atomic_lat", "ib_atomic_bw"):
        perftest(test, 8, mtu, mtu != 1500)
