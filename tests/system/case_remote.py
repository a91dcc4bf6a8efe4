# SPDX-License-Identifier: MIT
"""Memory really is remote, and many CPUs really fault at once: seen from outside, on the wire and in the report."""

import collections
import os
import random
import struct

from cases import case, each
from testbed import check_word_count, roce_packets, text_file

EVERY = 1000000
SEND_ONLY, WRITE_ONLY_IMM = 0x04, 0x0b          # RC opcodes
PROCESSOR, MEMORY, STORAGE = 1, 2, 3            # last bytes of the addresses
MEMORY_FILL = 0x100
RESERVE = 32                                    # lines; Documentation/pcache.md


@case(limit=180)
def memory_is_remote(bed):
    """
    A random marker in the text is seen on the wire from S to M and from M to P, and in capitals, as the program has written it,
    from P to M, all in RC packets with a right ICRC.
    """
    marker = bytes(random.SystemRandom().choices(b"abcdefghijklmnopqrstuvwxyz", k=24))
    with open(text_file(), "rb") as file:
        data = bytearray(file.read(1 << 20))
    data[300000:300000 + len(marker) + 2] = b"\n" + marker + b"\n"
    bed.path("text", bytes(data))
    capture = bed.path("wire.pcap")
    # mapped, so that the text itself goes through the cache and not through read()
    result = bed.run("/bin/word_count", "/data/marked", str(EVERY), timeout=150,
                     options=["--add", bed.path("text") + "=/data/marked", "--pcap", capture, "--pcache", "512K",
                              "--env", "WC_TEXT=map"])
    check_word_count(result.out, bytes(data), EVERY)
    seen, packets = collections.Counter(), 0
    for packet in roce_packets(capture):
        packets += 1
        assert packet.icrc_good, packet[:5]
        for word, how in ((marker, ""), (marker.upper(), "upper")):
            if word in packet.payload:
                assert packet.opcode < 0x20, "the marker in a packet that is not RC: %#x" % packet.opcode
                seen[packet.source, packet.target, how] += 1
    print("%d RoCE packets, marker seen %s" % (packets, dict(seen)))
    assert seen[STORAGE, MEMORY, ""], "not from S to M"
    assert seen[MEMORY, PROCESSOR, ""], "not from M to P"
    assert seen[PROCESSOR, MEMORY, "upper"], "what the program wrote never went from P to M"
    assert not any(PROCESSOR in pair[:2] and STORAGE in pair[:2] for pair in seen), "file data between P and S"
    os.unlink(capture)


@each({
    "small": (128, 8, 8, "memtest 8 2 2"), "one-way": (256, 1, 1, "memtest 2 2 1"), "victim-64": (512, 64, 64, "memtest 8 4 2"),
    "victim-0": (512, 8, 0, "memtest 8 2 2"), "fork": (256, 8, 8, "fork_cow 2 3 2"), "mremap": (256, 8, 8, "mremap_test"),
})
def frames_are_bounded(bed, choice):
    """User frames in use on P never exceed lines + victim entries + reserve, however much the program touches."""
    lines, ways, victim, line = choice
    words = line.split()
    result = bed.run("/bin/" + words[0], *words[1:], options=["--pcache", "%dK" % (4 * lines), "--ways", str(ways), "--victim",
                                                               str(victim)])
    values = result.node("processor")["accounting"]
    limit = lines + max(victim, 1) + RESERVE
    print("footprint %d pages, at most %d of %d frames" % (result.facts["footprint"], values["user_frames_max"], limit))
    assert values["user_frames_limit"] == limit
    assert lines // 2 < values["user_frames_max"] <= limit, values
    assert values["user_frames"] == 0           # the caches of objects were dropped
    assert result.facts["footprint"] > lines


def outstanding_fills(capture):
    """
    [(page, {page of a fill that was outstanding when this one was asked for})] of the fills of one address space. A fill is one
    SEND from P and one WRITE with immediate back; the slot in both tells them apart.
    """
    open_fills, fills = {}, []
    for packet in roce_packets(capture):
        pair = packet.source, packet.target
        if pair == (PROCESSOR, MEMORY) and packet.opcode == SEND_ONLY and len(packet.payload) >= 32 + 28:
            operation, slot = struct.unpack_from("<HH", packet.payload)
            if operation == MEMORY_FILL and slot not in open_fills:         # else: sent again
                page = struct.unpack_from("<QQ", packet.payload, 32)
                fills.append((page, set(open_fills.values())))
                open_fills[slot] = page
        elif pair == (MEMORY, PROCESSOR) and packet.opcode == WRITE_ONLY_IMM:
            open_fills.pop(struct.unpack_from(">I", packet.payload, 16)[0] >> 16, None)
    return fills


@case(limit=200)
def faults_on_every_cpu(bed):
    """
    With 4 CPUs, faults are counted on each, and two threads have fills outstanding at once: memtest's threads share its memory
    page by page, so pages whose numbers differ modulo 4 are different threads'. (lesson: L41)
    """
    capture = bed.path("wire.pcap")
    result = bed.run("/bin/memtest", "6", "4", "3", timeout=150,
                     options=["--cpus", "4", "--pcache", "1M", "--pcap", capture])
    by_cpu = result.node("processor")["counters_by_cpu"]
    print("faults by CPU", by_cpu["nr_pgfault"], "fetched", by_cpu["nr_pcache_fill_from_memory"])
    assert len(by_cpu["nr_pgfault"]) == 4 and min(by_cpu["nr_pgfault"]) > 0
    assert sum(by_cpu["nr_pgfault"]) == result.counter("nr_pgfault")
    fills = outstanding_fills(capture)
    space = collections.Counter(page[0] for page, _ in fills).most_common(1)[0][0]
    fills = [(page[1], {other[1] for other in others if other[0] == space}) for page, others in fills if page[0] == space]
    middle = sorted(index for index, _ in fills)[len(fills) // 2]           # the memory under test is most of what is filled
    both = [(index, other) for index, others in fills for other in others
            if abs(index - middle) < 1536 and abs(other - middle) < 1536 and index % 4 != other % 4]
    print("%d fills of the space, %d asked for while another thread's was outstanding" % (len(fills), len(both)))
    assert len(fills) > 1000, "too few fills to say anything"
    assert len(both) > 10, "no two threads had fills outstanding at once"
    os.unlink(capture)
