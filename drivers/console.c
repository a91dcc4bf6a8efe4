/* SPDX-License-Identifier: MIT */
/* Console ports by name, and the waiting that all of them share; see console.h. */
#include "drivers/console_port.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"

static DEFINE_SPINLOCK(ports_lock, RANK_LEAF);
static struct console_port *ports;		/* [ports_lock] in order of registration */

void console_port_register(struct console_port *p)
{
	struct console_port **at;

	waitq_init(&p->wait);
	mutex_init(&p->write_lock, "console_write", RANK_MUTEX_LEAF);
	p->next = NULL;
	spin_lock(&ports_lock);
	for (at = &ports; *at; at = &(*at)->next)
		;
	*at = p;
	spin_unlock(&ports_lock);
}

struct console_port *console_port_find(const char *name)
{
	struct console_port *p;

	spin_lock(&ports_lock);
	for (p = ports; p && strcmp(p->name, name) != 0; p = p->next)
		;
	spin_unlock(&ports_lock);
	return p;
}

s64 console_port_read(struct console_port *p, void *buf, size_t len, bool nonblock)
{
	if (len == 0)
		return 0;
	for (;;) {
		s64 n = p->ops->read(p, buf, len);
		int rc;

		if (n != -EAGAIN || nonblock)
			return n;
		rc = waitq_wait_intr(&p->wait, p->ops->readable(p), 0);
		if (rc < 0)
			return rc;
	}
}

s64 console_port_write(struct console_port *p, const void *buf, size_t len)
{
	s64 rc;

	if (len == 0)
		return 0;
	rc = mutex_lock_killable(&p->write_lock);
	if (rc < 0)
		return rc;
	rc = p->ops->write(p, buf, len);
	mutex_unlock(&p->write_lock);
	return rc;
}

bool console_port_readable(struct console_port *p)
{
	return p->ops->readable(p);
}

struct waitq *console_port_waitq(struct console_port *p)
{
	return &p->wait;
}

bool console_port_connected(struct console_port *p)
{
	return p->ops->connected(p);
}
