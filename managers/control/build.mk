# SPDX-License-Identifier: MIT
obj-y += managers/control/control.o managers/control/rdma.o
