# SPDX-License-Identifier: MIT
"""The nodes of a cluster: what each is told on its kernel command line, and the QEMU that carries it."""

import os
import subprocess

from .host import BUILD, TangramError, find_program, format_size
from .ports import encode

ROLES = ("processor", "memory", "storage")
SHORT = {"P": "processor", "M": "memory", "S": "storage"}
NODE_ID = {"processor": 1, "memory": 2, "storage": 3}
STD_PORTS = ("stdin", "stdout", "stderr")
OVMF = "/usr/share/ovmf/OVMF.fd"


def node_ip(number):
    return "10.77.0.%d" % number


def node_mac(number):
    return "52:54:00:77:00:%02x" % number


def kernel_path(role):
    path = os.path.join(BUILD, role, "tangram.elf")
    if not os.path.exists(path) and "TANGRAM_QEMU" not in os.environ:
        raise TangramError("no kernel for the %s node: %s does not exist (run `make`)" % (role, path))
    return path


def parameters(config, role):
    """The kernel parameters of a node, in order: [(name, value)]."""
    own = NODE_ID[role]
    out = [("fit.node", str(own)), ("fit.ip", "%s/24" % node_ip(own)),
           ("fit.peers", ",".join("%d:%s" % (n, node_ip(n)) for n in NODE_ID.values() if n != own))]
    if role == "processor":
        out += [("hostname", config.hostname),
                ("pcache.size", format_size(config.pcache)), ("pcache.ways", str(config.ways)),
                ("pcache.victim", str(config.victim)), ("pcache.policy", config.policy)]
    if role == "storage":
        mounts = ["vda:/:rw"]
        for i, (_, mount, mode) in enumerate(config.disks):
            mounts.append("vd%s:%s:%s" % (chr(ord("b") + i), mount, mode))
        out.append(("storage.mount", ",".join(mounts)))
    for to, words in config.append:
        if to in (role, "all"):
            out += [tuple(word.split("=", 1)) if "=" in word else (word, None) for word in words]
    return out


def command_line(pairs):
    return " ".join(name if value is None else "%s=%s" % (name, encode(value).decode(errors="surrogateescape"))
                    for name, value in pairs)


def qemu_program():
    return os.environ.get("TANGRAM_QEMU") or find_program("qemu-system-x86_64")


def smp(cpus):
    """QEMU's -smp. Room for two at least: TCG up to 8.0 leaves memory barriers out of the code of a machine with room for
    one, and its virtio queues then stand still now and then (arch_device_mb())."""
    return "%d,maxcpus=%d" % (cpus, max(cpus, 2))


def wire_options(path, number, nic="virtio"):
    """The QEMU options that put a VM on the wire of a switch. path: its socket."""
    return nic_options(switch_netdev(path), number, nic)


def nic_options(netdev, number, nic="virtio", queues=1):
    """The QEMU options of a VM's network card. netdev: one of those below."""
    device = {"virtio": "virtio-net-pci,host_mtu=9000", "e1000e": "e1000e"}[nic]
    if queues > 1:
        device += ",mq=on,vectors=%d" % (2 * queues + 2)
    return ["-netdev", netdev, "-device", "%s,netdev=wire,mac=%s" % (device, node_mac(number))]


def switch_netdev(path):
    return "stream,id=wire,server=off,addr.type=unix,addr.path=%s" % path


def tap_netdev(fds):
    return "tap,id=wire,vhost=off,%s" % ("fd=%d" % fds[0] if len(fds) == 1 else "fds=" + ":".join(map(str, fds)))


def bridge_netdev(bridge):
    """For any VM that QEMU's own helper may put on the bridge."""
    return "bridge,id=wire,br=%s" % bridge


def qemu_command(config, role, folder, log, disks, netdev):
    """The command of a node's QEMU. folder: of the sockets; disks: [(file, read-only)] of the storage node; netdev: of the wire."""
    memory = {"processor": config.memory, "memory": config.mem_memory, "storage": config.storage_memory}[role]
    cpus = {"processor": config.cpus, "memory": config.mem_cpus, "storage": 1}[role]
    command = [qemu_program(), "-name", "tangram-%s" % role, "-machine", "q35", "-nodefaults", "-no-reboot",
               "-accel", "tcg,thread=multi", "-cpu", "max", "-display", "none",
               "-smp", smp(cpus), "-m", "%dK" % (memory >> 10), "-serial", "file:%s" % log]
    words = command_line(parameters(config, role))
    if config.boot == "direct":
        command += ["-kernel", kernel_path(role), "-append", words]
    else:
        command += grub_options(role, words, folder) + (uefi_options() if config.boot == "uefi" else [])
    command += nic_options(netdev, NODE_ID[role], config.nic, config.queues)
    for i, (file, read_only) in enumerate(disks):
        command += ["-drive", "file=%s,format=raw,if=none,id=disk%d,cache=writeback,read-only=%s"
                    % (file.replace(",", ",,"), i, "on" if read_only else "off"),
                    "-device", "virtio-blk-pci,drive=disk%d" % i]
    # few ports: QEMU polls a descriptor for each queue that a port could have, on every turn of its main loop
    command += ["-device", "virtio-serial-pci,id=ports,max_ports=8"]
    for port in port_names(role):
        # In a cluster that stays, the stdin port is opened again for the next program after an end of file.
        command += ["-chardev", "socket,id=%s,path=%s,server=off%s"
                    % (port, os.path.join(folder, role + "." + port), ",reconnect=1" if port == "stdin" and config.stays else ""),
                    "-device", "virtserialport,bus=ports.0,chardev=%s,name=tangram.%s" % (port, port)]
    return command + config.qemu


def port_names(role):
    return ("control",) + (STD_PORTS if role == "processor" else ())


def uefi_options():
    if not os.path.exists(OVMF):
        raise TangramError("no UEFI firmware: %s does not exist: run scripts/setup (Debian package ovmf)" % OVMF)
    return ["-bios", OVMF]


def grub_options(role, words, folder):
    """Boot the rescue image: its menu does what a tangram.cfg says on a disk labelled TANGRAM, without waiting."""
    iso = os.path.join(BUILD, "tangram.iso")
    if not os.path.exists(iso):
        raise TangramError("no boot image: %s does not exist (run `make`)" % iso)
    disk, config = os.path.join(folder, role + ".cfg.img"), os.path.join(folder, role + ".cfg")
    quoted = " ".join("'%s'" % word.replace("'", "%27") for word in words.split(" "))
    with open(config, "w") as file:
        file.write("multiboot2 ($tangram_iso)/boot/%s.elf %s\nboot\n" % (role, quoted))
    for command in ([find_program("mformat"), "-C", "-i", disk, "-f", "1440", "-v", "TANGRAM", "::"],
                    [find_program("mcopy"), "-i", disk, config, "::tangram.cfg"]):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise TangramError("mtools: %s" % done.stdout.decode(errors="replace").strip())
    return ["-drive", "file=%s,format=raw,if=none,id=iso,media=cdrom,read-only=on" % iso,
            "-device", "ide-cd,drive=iso,bus=ide.0,bootindex=1",
            "-drive", "file=%s,format=raw,if=none,id=cfg" % disk,
            "-device", "ide-hd,drive=cfg,bus=ide.1"]
