/* SPDX-License-Identifier: MIT */
/*
 * Byte streams to the host by name: virtio-console ports ("tangram.control", "tangram.stdout", ...) and, as "ttyS0",
 * the serial line's input. Each has a receive buffer of 4 KiB or more with flow control: bytes are never dropped.
 */
#ifndef DRIVERS_CONSOLE_H
#define DRIVERS_CONSOLE_H

#include "lib/base/types.h"
#include "kernel/waitq.h"

struct console_port;

struct console_port *console_port_find(const char *name);	/* NULL: not there */
/* Sleeps until at least one byte, the host's end of file (0), or a signal (-EINTR). nonblock: -EAGAIN. */
s64 console_port_read(struct console_port *p, void *buf, size_t len, bool nonblock);
/* Sleeps until all is queued to the device and the host took it, so that an exit message cannot overtake it; -EINTR, -EPIPE */
s64 console_port_write(struct console_port *p, const void *buf, size_t len);
bool console_port_readable(struct console_port *p);
/* Wakes when readable() may have changed. */
struct waitq *console_port_waitq(struct console_port *p);
/* Host has its end open */
bool console_port_connected(struct console_port *p);

#endif
