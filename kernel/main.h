/* SPDX-License-Identifier: MIT */
#ifndef KERNEL_MAIN_H
#define KERNEL_MAIN_H

void kernel_main(void);		/* called by arch/x86's entry code; does not return */
/* The manager of the role built in (managers/<role>): called in the boot thread, returns when its daemons run. */
void manager_init(void);

#endif
