/* SPDX-License-Identifier: MIT */
/* The one list of drivers: every PCI device is offered to each, in the order of the bus. */
#include "drivers/counters.h"
#include "drivers/drivers.h"
#include "drivers/e1000e.h"
#include "drivers/pci.h"
#include "drivers/virtio.h"

DEFINE_COUNTERS(driver, DRIVER_COUNTERS);

static void probe(struct pci_dev *dev)
{
	unsigned type = virtio_type(dev);

	if (IS_ENABLED(CONFIG_VIRTIO_CONSOLE) && type == VIRTIO_TYPE_CONSOLE)
		virtio_console_probe(dev);
	else if (IS_ENABLED(CONFIG_VIRTIO_NET) && type == VIRTIO_TYPE_NET)
		virtio_net_probe(dev);
	else if (IS_ENABLED(CONFIG_VIRTIO_BLK) && type == VIRTIO_TYPE_BLK)
		virtio_blk_probe(dev);
	else if (IS_ENABLED(CONFIG_E1000E) && e1000e_match(dev))
		e1000e_probe(dev);
}

void pci_init(void)
{
	counters_register(&driver_counters);
	pci_config_init();
	pci_enumerate();
	for (unsigned i = 0; i < pci_nr_devs(); i++)
		probe(pci_dev_nth(i));
}
