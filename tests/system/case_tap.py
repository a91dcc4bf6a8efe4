# SPDX-License-Identifier: MIT
"""The cluster on tap devices and a bridge, in a network namespace of the test's own: nothing of the host's is touched."""

import os
import re
import subprocess

from cases import case, each
from testbed import TOOL, as_fresh_user, check_word_count, text_file

NAMESPACE = ("unshare", "-n" if os.getuid() == 0 else "-rn")     # an ordinary user is root of a namespace, too


def in_namespace(bed, script, *words, timeout=100):
    """A shell script that is root of a network namespace; $1... are the words."""
    done = subprocess.run([*NAMESPACE, "sh", "-euc", script, "sh", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=bed.env, timeout=timeout)
    print(done.stdout)
    assert done.returncode == 0, done
    return done.stdout


@each({"1": (1, "virtio", 2), "2": (2, "virtio", 2), "4": (4, "virtio", 4), "e1000e": (1, "e1000e", 2)})
def tap_queues(bed, choice):
    """word_count over tap devices, with one and with several queue pairs of the card, which all CPUs then use."""
    queues, nic, cpus = choice
    result = bed.run("word_count", "/data/text", "100", before=NAMESPACE,
                     options=["--wire", "tap", "--queues", str(queues), "--nic", nic, "--cpus", str(cpus), "--pcache", "2M"])
    with open(text_file(), "rb") as file:
        check_word_count(result.out, file.read(), 100)
    if nic == "virtio":
        found = re.search(rb"net: eth0: .* MTU 9000, (\d+) queue pairs?", bed.read("run1/processor.log"))
        assert int(found.group(1)) == queues, found
    sent = result.node("processor")["counters_by_cpu"]["nr_net_tx"]
    print("frames sent by CPU", sent)
    assert min(sent) > 0 and len(sent) == cpus


@case()
def tap_on_a_bridge_of_the_hosts(bed):
    """A bridge that is there is used and stays; one that is not is named."""
    out = in_namespace(bed, """
        ip link add br7 type bridge && ip link set br7 up
        "$1" run --quiet --wire tap:br7 --log-dir "$2" -- hello
        ! "$1" run --quiet --wire tap:lo --log-dir "$2" -- hello
        ! "$1" run --quiet --wire tap:br8 --log-dir "$2" -- hello
        ip -o link""", TOOL, bed.path("log"))
    assert out.count("hello: OK") == 1 and "br8: there is no such bridge" in out and "lo: that is no bridge" in out
    assert re.search(r"br7: ", out) and not re.search(r": tg", out), "the bridge is gone, or a device is left"


@case()
def tap_leaves_nothing(bed):
    """Neither a run that ends nor one that is killed leaves a device, a bridge or a process."""
    out = in_namespace(bed, """
        "$1" run --quiet --wire tap --log-dir "$2" -- hello
        echo after: $(ip -o link | grep -c ': tg' || true)
        "$1" run --quiet --wire tap --log-dir "$2" -- memtest 64 1 1000 &
        for i in $(seq 100); do sleep 0.1; test $(ip -o link | grep -c ': tg' || true) -lt 4 || break; done
        echo during: $(ip -o link | grep -c ': tg' || true)
        kill -9 $!
        for i in $(seq 50); do sleep 0.1; ip -o link | grep -q ': tg' || break; done
        echo killed: $(ip -o link | grep -c ': tg' || true)""", TOOL, bed.path("log"))
    assert re.search(r"(?s)hello: OK.*after: 0.*during: 4.*killed: 0", out), out
    bed.assert_nothing_left()


@case()
def tap_stays(bed):
    """A cluster that stays on taps: programs run, `wire` says how another VM joins, and what the switch alone can do is refused."""
    out = in_namespace(bed, """
        "$1" up --quiet --name taps --wire tap --log-dir "$2"
        "$1" exec --quiet taps -- hello
        "$1" wire taps
        ! "$1" wire taps --faults drop=0.1
        "$1" down taps
        echo left: $(ip -o link | grep -c ': tg' || true)""", TOOL, bed.path("log"))
    assert re.search(r"(?s)hello: OK.*-netdev bridge,id=wire,br=tg[0-9a-f]{8} -device virtio-net-pci.*no switch.*left: 0", out), out


@case()
def tap_is_not_permitted(bed):
    """One line and status 125 for who may not."""
    home = os.path.join(bed.tmp, "home")
    os.mkdir(home)
    done = subprocess.run([*as_fresh_user(home), TOOL, "run", "--quiet", "--wire", "tap", "--log-dir", home + "/log", "--", "hello"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=bed.env, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (125, "", 1), done
    assert done.stderr.startswith("tangram: --wire tap: not permitted"), done.stderr
