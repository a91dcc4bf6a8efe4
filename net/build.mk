# SPDX-License-Identifier: MIT
obj-y += net/eth.o net/arp.o net/ipv4.o net/icmp.o net/udp.o
