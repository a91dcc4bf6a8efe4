# SPDX-License-Identifier: MIT
"""Other ways to boot and other hardware than the default: the rescue image by BIOS and by UEFI, another NIC."""

import re

from cases import each
from case_word_count import EVERY, whole
from testbed import check_word_count, text

ROLES = ("processor", "memory", "storage")


def log(bed, role):
    return bed.read("run%d/%s.log" % (bed.runs, role)).decode(errors="replace")


@each({"bios": "grub", "uefi": "uefi"}, limit=300)
def boots_by(bed, way):
    """GRUB's rescue image, Multiboot2: the memory map and the ACPI tables come from the firmware that really ran."""
    bed.run("hello", options=["--boot", way, "--cpus", "4", "--boot-timeout", "200"], timeout=250)
    for role in ROLES:
        said = re.search(r"boot: by (.*)", log(bed, role)).group(1)
        assert said.startswith("GRUB") and said.endswith("UEFI") == (way == "uefi"), "%s was booted by %s" % (role, said)
    assert "smp: 4 cpus" in log(bed, "processor")


@each({"virtio": "virtio-net", "e1000e": "e1000e"})
def word_count_nic(bed, driver):
    file = text(256 << 10)
    result = bed.run("/bin/word_count", "/data/t", str(EVERY),
                     options=["--nic", driver.replace("-net", ""), "--pcache", "1M", "--add", file + "=/data/t"])
    check_word_count(result.out, whole(file), EVERY)
    for role in ROLES:
        assert "net: eth0: %s," % driver in log(bed, role)
