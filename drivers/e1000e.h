/* SPDX-License-Identifier: MIT */
#ifndef DRIVERS_E1000E_H
#define DRIVERS_E1000E_H

#include "drivers/pci.h"

bool e1000e_match(const struct pci_dev *pci);
void e1000e_probe(struct pci_dev *pci);

#endif
