# SPDX-License-Identifier: MIT
"""rdmacm-utils' programs against the verbs service, in both roles."""

from capture import roce
from cases import add
from interop_lab import NODE
from tangramlib.nodes import node_ip

PATH_MTU = {500: 256, 1500: 1024, 9000: 4096}       # what a link allows


def linux_client(lab, log, command, seconds=60, good=(0,)):
    """A client in the Linux VM; it must end well. Returns what it says."""
    done = lab.linux.run(command, seconds)
    log.write("$ %s -> %d\n%s\n" % (command, done.status, done.out))
    assert done.status in good, "%s ended with %d" % (command, done.status)
    return done.out


def linux_server(lab, log, command, listens, job, seconds=60):
    """A server in the Linux VM, listening on a port before our node's client starts; both must end well."""
    running = lab.linux.begin(command)
    try:
        lab.linux.wait_listening(listens)
        said = lab.node.rdma(*job, seconds=seconds)
    finally:
        done = lab.linux.end(running, 10)
        log.write("$ %s -> %d\n%s\n" % (command, done.status, done.out))
    assert said is None, "our %s: %s" % (job[0], said)
    parts = command.startswith("rping ") and done.status == 255 and PARTS in done.out
    assert done.status == 0 or parts, "%s ended with %d" % (command, done.status)
    return done.out


# When it parts, rping's event thread may read from a channel that its main thread has closed: that is its own race.
PARTS = "rdma_get_cm_event: Bad file descriptor"


def rping(mtu, count, long=False):
    limit = max(300, count)
    def client(lab, log):
        out = linux_client(lab, log, "rping -c -a %s -v -V -C %d -S 65535 > /tmp/rping.out; s=$?; grep -c \"ping data\" /tmp/rping.out; "
                           "exit $s" % (node_ip(NODE), count), limit, (0, 255))
        lines = set(out.split("\n")) - {"", "client DISCONNECT EVENT...", PARTS}
        assert lines == {str(count)}, "not %d pings: %s" % (count, lines)

    def server(lab, log):
        linux_server(lab, log, "rping -s -v -V -C %d -S 65535 > /dev/null" % count, 7174,
                     ["rping", lab.linux.ip, "count=%d" % count, "size=65535", "mtu=%d" % PATH_MTU[mtu]], limit)
    packets = min(20 * count, 10000)             # a capture ends at twice that, ARP and all
    add("rping-client-%d-%d" % (mtu, count), client, mtu, long, packets)
    add("rping-server-%d-%d" % (mtu, count), server, mtu, long, packets)


def asks_for(mtu):
    """Our client asks for less than the links allow, in its REQ, and both keep to it."""
    def server(lab, log):
        linux_server(lab, log, "rping -s -v -V -C 20 -S 65535 > /dev/null", 7174,
                     ["rping", lab.linux.ip, "count=20", "size=65535", "mtu=%d" % mtu], 300)

    def look(path):
        asked = {frame[bth + 20 + 24 + 50] >> 4 for _, frame, bth in roce(path)        # of the REQ: behind BTH and DETH a MAD's header
                 if frame[bth] == 0x64 and frame[bth + 20 + 16:bth + 20 + 18] == b"\0\x10"}
        assert asked == {{256: 1, 1024: 3}[mtu]}, "path MTU codes in REQs: %s" % asked
        longest = max(len(frame) - bth - 12 - 4 for _, frame, bth in roce(path) if frame[bth] < 0x60)
        assert mtu <= longest <= mtu + 28, "%d bytes behind a BTH" % longest
    add("asks-for-%d" % mtu, server, 9000, packets=20 * 65535 // mtu, look=look)


asks_for(256)
asks_for(1024)
rping(500, 20)
rping(1500, 100)
rping(9000, 1000)
for one in (500, 1500):
    rping(one, 1000, long=True)


def small_tools(mtu):
    def ucmatose_client(lab, log):
        assert "return status 0" in linux_client(lab, log, "ucmatose -s " + node_ip(NODE))

    def ucmatose_server(lab, log):
        assert "return status 0" in linux_server(lab, log, "ucmatose", 7471, ["ucmatose", lab.linux.ip, "mtu=%d" % PATH_MTU[mtu]])

    def udaddy_client(lab, log):
        assert "return status 0" in linux_client(lab, log, "udaddy -s " + node_ip(NODE))

    def udaddy_server(lab, log):
        assert "return status 0" in linux_server(lab, log, "udaddy", 7174, ["udaddy", lab.linux.ip])

    def rdma_client(lab, log):
        assert "end 0" in linux_client(lab, log, "rdma_client -s " + node_ip(NODE))

    def rdma_server(lab, log):
        assert "end 0" in linux_server(lab, log, "rdma_server", 7471, ["rdma_client", lab.linux.ip, "mtu=%d" % PATH_MTU[mtu]])
    for function in (ucmatose_client, ucmatose_server, udaddy_client, udaddy_server, rdma_client, rdma_server):
        add("%s-%d" % (function.__name__.replace("_", "-"), mtu), function, mtu, mtu != 1500, 4)


for one in (500, 1500, 9000):
    small_tools(one)


def stranger(lab, log):
    """Who knocks at the port of the nodes' own calls and speaks another protocol is rejected, and one line says so."""
    done = lab.linux.run("rping -c -a %s -p %d -C 1" % (node_ip(NODE), 0x7467), 30)
    log.write("%d\n%s\n" % (done.status, done.out))
    assert done.status not in (0, 143) and "REJECT" in done.out, done.out
    with open(lab.node.log, errors="replace") as file:
        assert file.read().count("refused %s: it does not speak FIT" % lab.linux.ip) == 1


add("stranger", stranger, packets=2)


def other_roles(lab, log):
    """A processor and a storage node have the same service."""
    for role, number in (("processor", 1), ("storage", 3)):
        node = lab.another(role, number)
        try:
            linux_client(lab, log, "rping -c -a %s -V -C 5 -S 5000" % node.ip, good=(0, 255))
            assert node.counters()["nr_roce_rx"] > 40, "rping did not come to the %s node" % role
        finally:
            node.close()


add("other-roles", other_roles, packets=100)
