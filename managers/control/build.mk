# SPDX-License-Identifier: MIT
obj-y += managers/control/control.o
