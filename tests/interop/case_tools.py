# SPDX-License-Identifier: MIT
"""rdmacm-utils' programs against the verbs service, in both roles."""

from cases import add
from lab import NODE
from tangramlib.nodes import node_ip

PATH_MTU = {500: 256, 1500: 1024, 9000: 4096}       # what a link allows


def linux_client(lab, log, command, seconds=60):
    """A client in the Linux VM; it must end well."""
    done = lab.linux.run(command, seconds)
    log.write("$ %s -> %d\n%s\n" % (command, done.status, done.out))
    assert done.status == 0, "%s ended with %d" % (command, done.status)
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
    assert done.status == 0, "%s ended with %d" % (command, done.status)
    return done.out


def rping(mtu, count, long=False):
    def client(lab, log):
        out = linux_client(lab, log, "rping -c -a %s -v -V -C %d -S 65535 > /dev/null" % (node_ip(NODE), count), 300)
        assert "error" not in out, out

    def server(lab, log):
        linux_server(lab, log, "rping -s -v -V -C %d -S 65535 > /dev/null" % count, 7174,
                     ["rping", lab.linux.ip, "count=%d" % count, "size=65535", "mtu=%d" % PATH_MTU[mtu]], 300)
    add("rping-client-%d-%d" % (mtu, count), client, mtu, long, 20 * count)
    add("rping-server-%d-%d" % (mtu, count), server, mtu, long, 20 * count)


rping(500, 20)
rping(1500, 100)
rping(9000, 100)
rping(1500, 1000, long=True)
