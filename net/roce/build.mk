# SPDX-License-Identifier: MIT
obj-y += net/roce/packet.o
