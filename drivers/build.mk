# SPDX-License-Identifier: MIT
obj-y += drivers/serial.o drivers/console.o drivers/acpi.o drivers/acpi_tables.o drivers/rtc.o drivers/rtc_time.o
obj-y += drivers/probe.o drivers/pci.o drivers/pci_config.o drivers/pci_irq.o drivers/blkdev.o drivers/netdev.o drivers/net_poll.o
obj-$(CONFIG_SELFTEST) += drivers/selftest.o
obj-y += drivers/virtio.o drivers/virtqueue.o
obj-$(CONFIG_VIRTIO_CONSOLE) += drivers/virtio_console.o
obj-$(CONFIG_VIRTIO_BLK) += drivers/virtio_blk.o
obj-$(CONFIG_VIRTIO_NET) += drivers/virtio_net.o
obj-$(CONFIG_E1000E) += drivers/e1000e.o drivers/e1000e_ring.o
