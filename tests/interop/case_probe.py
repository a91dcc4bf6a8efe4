# SPDX-License-Identifier: MIT
"""Our own verbs program in the Linux VM (probe.c), for what the well-known ones do not do."""

from capture import opcodes, syndromes
from case_tools import linux_client
from cases import add
from interop_lab import NODE
from tangramlib.nodes import node_ip

SEND_IMM, WRITE_IMM, SEND_INV = (0x03, 0x05), (0x09, 0x0b), (0x16, 0x17)
RNR, ACCESS = range(0x20, 0x40), (0x62,)
# test: opcodes and AETH syndromes of which one each must be on the wire
TESTS = {
    "immediates": ((SEND_IMM, WRITE_IMM), ()), "invalidate-node": ((SEND_INV,), (ACCESS,)),
    "invalidate-linux": ((SEND_INV,), (ACCESS,)), "rights": ((), (ACCESS, (0x61,))), "rights-linux": ((), (ACCESS,)),
    "rnr": ((SEND_IMM,), (RNR,)), "rnr-limit": ((), (RNR,)), "rnr-linux": ((), (RNR,)), "reject": ((), ()),
    "shared": ((SEND_IMM,), ()), "given-back": ((SEND_IMM,), ((0x61,),)), "rights-behind": ((), (ACCESS,)),
    "atomics": (((0x13,), (0x14,), (0x12,)), ()),
}


def probe(name, wanted, mtu, long):
    def test(lab, log):
        linux_client(lab, log, "probe %s %s" % (node_ip(NODE), name), 90)

    def look(path):
        for group in wanted[0]:
            assert opcodes(path) & set(group), "no packet with an opcode of %s" % (group,)
        for group in wanted[1]:
            assert syndromes(path) & set(group), "no acknowledgement with a syndrome of %s" % (group,)
    add("probe-%s-%d" % (name, mtu), test, mtu, long, 2, look)


for one, packets in TESTS.items():
    for link in (500, 1500, 9000):
        probe(one, packets, link, link != 1500)
