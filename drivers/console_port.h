/* SPDX-License-Identifier: MIT */
/* What stands behind a console port: for the drivers that offer one. Users include drivers/console.h. */
#ifndef DRIVERS_CONSOLE_PORT_H
#define DRIVERS_CONSOLE_PORT_H

#include "drivers/console.h"
#include "kernel/mutex.h"

struct console_port_ops {
	/* Never sleeps: bytes taken (1..len), 0 at the host's end of file, -EAGAIN when there is nothing now. */
	s64 (*read)(struct console_port *p, void *buf, size_t len);
	/* One caller at a time. Sleeps until the host took it all: len; fewer when a signal came; -EINTR, -EPIPE. */
	s64 (*write)(struct console_port *p, const void *buf, size_t len);
	bool (*readable)(struct console_port *p);	/* read() would not say -EAGAIN */
	bool (*connected)(struct console_port *p);
};

struct console_port {
	char name[48];				/* [I] */
	const struct console_port_ops *ops;	/* [I] */
	struct waitq wait;			/* woken by the driver when readable or connected changed */
	struct mutex write_lock;		/* one write() at a time: their bytes do not mix */
	struct console_port *next;		/* [ports_lock]; a port is never removed */
};

/* name and ops are set; the port lives for ever. A second port of the same name is not found. */
void console_port_register(struct console_port *p);

#endif
