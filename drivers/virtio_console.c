/* SPDX-License-Identifier: MIT */
/*
 * virtio-console with multiport (virtio 1.1, section 5.3): each port is a console port under the name the host gave it.
 *
 * Receive buffers go back to the device only when read() has emptied them: a port that nobody reads makes the host
 * wait. read() takes bytes straight from the used ring. The host closing its end is remembered together with how far
 * the ring was filled then, so that all bytes sent before are read before the end of file, and bytes of a host that
 * opened the port again come after it. Writes are copied to the port's own buffers, so that a signal can end a write
 * whose bytes the device still holds.
 */
#include "drivers/console_port.h"
#include "drivers/virtio.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "mm/frame.h"
#include "mm/slab.h"

#define F_MULTIPORT		(1ULL << 1)
#define MAX_PORTS		16
#define QUEUE_SIZE		8
#define CONTROL_QUEUE_SIZE	64
#define RX_BUFFER		2048		/* eight of them: 16 KiB ahead of the reader */
#define TX_BUFFER		4096
#define CONTROL_BUFFER		64		/* a message and a port's name */

#define CONFIG_MAX_PORTS	4		/* offset of max_nr_ports */

struct control_message {
	u32 port;
	u16 event, value;
	char name[];
};
enum { EVENT_DEVICE_READY, EVENT_PORT_ADD, EVENT_PORT_REMOVE, EVENT_PORT_READY, EVENT_CONSOLE_PORT, EVENT_RESIZE,
       EVENT_PORT_OPEN, EVENT_PORT_NAME };

struct rx_buffer {
	u32 len;
	u8 *data;
};

struct tx_buffer {
	bool busy;			/* [lock] */
	u8 *data;
};

struct vport {
	struct console_port port;
	struct virtio_console *con;	/* [I] */
	unsigned id;			/* [I] */
	bool added, named;		/* [control thread] */
	struct spinlock lock;		/* irqsave: all below */
	struct virtqueue rx, tx;
	bool host_open;
	bool eof;			/* the end of file stands in the stream at eof_at */
	bool eof_told;			/* a reader has seen it */
	u16 eof_at;			/* count of buffers, as rx.last_used counts */
	struct rx_buffer *reading;	/* popped and not yet empty */
	u32 read_at;
	struct rx_buffer rx_buf[QUEUE_SIZE];
	struct tx_buffer tx_buf[QUEUE_SIZE];
};

struct virtio_console {
	struct virtio_dev dev;
	unsigned nr_ports;		/* [I] */
	struct virtqueue control_rx, control_tx;	/* control thread alone */
	struct waitq control_wait;
	u8 *control_buffers;
	u8 *control_out;
	struct vport *port[MAX_PORTS];	/* [I] */
};

/* ---- interrupts ---- */

static void console_interrupt(void *arg)
{
	struct virtio_console *con = arg;

	/* one vector for all queues: a port has two, and a device may have more ports than vectors */
	for (unsigned i = 0; i < con->nr_ports; i++) {
		struct vport *p = con->port[i];

		if (vq_pending(&p->rx) || vq_pending(&p->tx))
			waitq_wake_all(&p->port.wait);
	}
	if (vq_pending(&con->control_rx) || vq_pending(&con->control_tx))
		waitq_wake_all(&con->control_wait);
}

/* ---- data ---- */

static void rx_post(struct vport *p, struct rx_buffer *b)
{
	struct vq_buf buf = { virt_to_phys(b->data), RX_BUFFER };

	if (vq_add(&p->rx, &buf, 0, 1, b) < 0)
		BUG_ON(true);		/* the queue has a place for each of its buffers */
}

/* Is the next thing in the stream the end of file? */
static bool at_eof(const struct vport *p)
{
	return p->eof && !p->reading && p->rx.last_used == p->eof_at;
}

static bool next_buffer(struct vport *p)
{
	u32 len;

	assert_held(&p->lock);
	while (!p->reading && !at_eof(p)) {
		struct rx_buffer *b = virtio_pop(&p->rx, &len);

		if (!b)
			return false;
		if (len == 0) {
			rx_post(p, b);
			continue;
		}
		b->len = len;
		p->reading = b;
		p->read_at = 0;
	}
	return p->reading != NULL;
}

static s64 vport_read(struct console_port *port, void *out, size_t len)
{
	struct vport *p = container_of(port, struct vport, port);
	u64 flags = spin_lock_irqsave(&p->lock);
	size_t done = 0;
	s64 rc;

	while (done < len && next_buffer(p)) {
		u32 n = MIN(len - done, (size_t)(p->reading->len - p->read_at));

		memcpy((u8 *)out + done, p->reading->data + p->read_at, n);
		done += n;
		p->read_at += n;
		if (p->read_at == p->reading->len) {
			rx_post(p, p->reading);
			p->reading = NULL;
		}
	}
	virtio_kick(&p->rx);
	/* ask for an interrupt before the caller sleeps; readable() sees what came in between */
	(void)!vq_irq_enable(&p->rx);
	rc = done;
	if (done == 0) {
		rc = at_eof(p) ? 0 : -EAGAIN;
		/* while the host's end is closed it is said again and again; once, if it has been opened anew */
		p->eof_told = rc == 0;
		if (rc == 0 && p->host_open)
			p->eof = false;
	}
	spin_unlock_irqrestore(&p->lock, flags);
	return rc;
}

static bool vport_readable(struct console_port *port)
{
	struct vport *p = container_of(port, struct vport, port);
	u64 flags = spin_lock_irqsave(&p->lock);
	bool r = next_buffer(p) || at_eof(p);

	if (!r && !vq_irq_enable(&p->rx))
		r = next_buffer(p) || at_eof(p);
	virtio_kick(&p->rx);		/* empty messages may have gone back */
	spin_unlock_irqrestore(&p->lock, flags);
	return r;
}

static bool vport_connected(struct console_port *port)
{
	return READ_ONCE(container_of(port, struct vport, port)->host_open);
}

/* A buffer that the device does not hold, or NULL */
static struct tx_buffer *tx_free(struct vport *p)
{
	struct tx_buffer *b;
	u32 len;

	assert_held(&p->lock);
	while ((b = virtio_pop(&p->tx, &len)))
		b->busy = false;
	for (unsigned i = 0; i < QUEUE_SIZE; i++) {
		if (p->tx_buf[i].data && !p->tx_buf[i].busy)
			return &p->tx_buf[i];
	}
	return NULL;
}

/* all: the device holds none of our buffers; else: at least one is free. Wants an interrupt if not. */
static bool tx_ready(struct vport *p, bool all)
{
	u64 flags = spin_lock_irqsave(&p->lock);
	bool ready;

	do {
		ready = all ? (tx_free(p), p->tx.nr_requests == 0) : tx_free(p) != NULL;
	} while (!ready && !vq_irq_enable_after(&p->tx, all ? MAX(p->tx.nr_requests, 1) : 1));
	spin_unlock_irqrestore(&p->lock, flags);
	return ready;
}

static size_t tx_queue(struct vport *p, const u8 *data, size_t len)
{
	u64 flags = spin_lock_irqsave(&p->lock);
	size_t done = 0;
	struct tx_buffer *b;

	while (done < len && (b = tx_free(p))) {
		u32 n = MIN(len - done, (size_t)TX_BUFFER);
		struct vq_buf buf = { virt_to_phys(b->data), n };

		memcpy(b->data, data + done, n);
		if (vq_add(&p->tx, &buf, 1, 0, b) < 0)
			break;
		b->busy = true;
		done += n;
	}
	virtio_kick(&p->tx);
	spin_unlock_irqrestore(&p->lock, flags);
	return done;
}

static s64 vport_write(struct console_port *port, const void *data, size_t len)
{
	struct vport *p = container_of(port, struct vport, port);
	size_t done = 0;
	int rc = 0;

	while (done < len) {
		/* a host that closes gives the buffers back, so that no wait here lasts */
		if (!vport_connected(port))
			return done ? (s64)done : -EPIPE;
		done += tx_queue(p, (const u8 *)data + done, len - done);
		rc = waitq_wait_intr(&port->wait, tx_ready(p, done == len), 0);
		if (rc < 0)
			return done ? (s64)done : rc;	/* what is queued will reach the host */
	}
	return done;
}

static const struct console_port_ops vport_ops = {
	.read = vport_read,
	.write = vport_write,
	.readable = vport_readable,
	.connected = vport_connected,
};

/* ---- control ---- */

/* Control messages are few: each is sent and waited for. The device has acted on it when it comes back. */
static void control_send(struct virtio_console *con, u32 port, u16 event, u16 value)
{
	struct control_message *m = (void *)con->control_out;
	struct vq_buf buf = { virt_to_phys(m), sizeof(*m) };
	u64 deadline = time_mono_ns() + 5 * NSEC_PER_SEC;
	u32 len;

	*m = (struct control_message){ .port = port, .event = event, .value = value };
	if (vq_add(&con->control_tx, &buf, 1, 0, m) < 0)
		return;			/* the device sits on an earlier one: it has been said */
	virtio_kick(&con->control_tx);
	if (waitq_wait_timeout(&con->control_wait, !vq_irq_enable(&con->control_tx), deadline) < 0) {
		pr_warn("virtio-console: the device takes no control messages");
		return;
	}
	(void)virtio_pop(&con->control_tx, &len);
}

static void port_set_open(struct vport *p, bool open)
{
	u64 flags = spin_lock_irqsave(&p->lock);

	if (p->host_open && !open && !p->eof) {
		/* what the device has filled so far belongs before the end */
		p->eof = true;
		p->eof_told = false;
		p->eof_at = load_acquire(&p->rx.used->idx);
	} else if (open && p->eof_told) {
		p->eof = false;
	}
	p->host_open = open;
	spin_unlock_irqrestore(&p->lock, flags);
	waitq_wake_all(&p->port.wait);
}

/* Its buffers, when it turns out to exist. */
static bool port_start(struct vport *p)
{
	u8 *rx = kmalloc(p->rx.size * RX_BUFFER), *tx = kmalloc(p->tx.size * TX_BUFFER);
	u64 flags;

	if (!rx || !tx) {
		kfree(rx);
		kfree(tx);
		pr_warn("virtio-console: no memory for port %u", p->id);
		return false;
	}
	flags = spin_lock_irqsave(&p->lock);
	for (unsigned i = 0; i < p->rx.size; i++) {
		p->rx_buf[i].data = rx + i * RX_BUFFER;
		rx_post(p, &p->rx_buf[i]);
	}
	for (unsigned i = 0; i < p->tx.size; i++)
		p->tx_buf[i].data = tx + i * TX_BUFFER;
	virtio_kick(&p->rx);
	spin_unlock_irqrestore(&p->lock, flags);
	return true;
}

static void port_name(struct vport *p, const char *name, size_t len)
{
	if (p->named)
		return;
	p->named = true;
	memcpy(p->port.name, name, MIN(len, sizeof(p->port.name) - 1));
	p->port.ops = &vport_ops;
	console_port_register(&p->port);
}

static void control_message(struct virtio_console *con, const struct control_message *m, u32 len)
{
	struct vport *p;

	if (len < sizeof(*m) || m->port >= con->nr_ports) {
		WARN_ONCE(true, "virtio-console: bad control message: port %u, %u bytes", m->port, len);
		return;
	}
	p = con->port[m->port];
	switch (m->event) {
	case EVENT_PORT_ADD:
		if (p->added || !port_start(p))
			break;
		p->added = true;
		control_send(con, p->id, EVENT_PORT_READY, 1);
		/* open our end at once: the device holds bytes back until then, and flow control is ours anyway */
		control_send(con, p->id, EVENT_PORT_OPEN, 1);
		break;
	case EVENT_PORT_NAME:
		port_name(p, m->name, strnlen(m->name, len - sizeof(*m)));
		break;
	case EVENT_PORT_OPEN:
		port_set_open(p, m->value == 1);
		break;
	case EVENT_PORT_REMOVE:
		port_set_open(p, false);
		break;
	default:
		break;			/* console size and the like */
	}
}

static void control_post(struct virtio_console *con, void *buffer)
{
	struct vq_buf buf = { virt_to_phys(buffer), CONTROL_BUFFER };

	if (vq_add(&con->control_rx, &buf, 0, 1, buffer) < 0)
		BUG_ON(true);
}

static void control_drain(struct virtio_console *con)
{
	u8 copy[CONTROL_BUFFER];
	void *buffer;
	u32 len;

	while ((buffer = virtio_pop(&con->control_rx, &len))) {
		/* the buffer goes back first: handling may send, and the device answer at once */
		memcpy(copy, buffer, len);
		control_post(con, buffer);
		virtio_kick(&con->control_rx);
		control_message(con, (void *)copy, len);
	}
}

static void control_thread(void *arg)
{
	struct virtio_console *con = arg;

	for (;;) {
		control_drain(con);
		waitq_wait(&con->control_wait, !vq_irq_enable(&con->control_rx));
	}
}

/* ---- set-up ---- */

static int port_create(struct virtio_console *con, unsigned id, int vector)
{
	struct vport *p = kzalloc(sizeof(*p));
	u16 queue = id == 0 ? 0 : 2 + 2 * id;
	int rc;

	if (!p)
		return -ENOMEM;
	con->port[id] = p;
	p->con = con;
	p->id = id;
	spin_init(&p->lock, "vport", RANK_CONSOLE);
	waitq_init(&p->port.wait);
	rc = virtio_queue_init(&con->dev, &p->rx, queue, QUEUE_SIZE, vector);
	if (rc == 0)
		rc = virtio_queue_init(&con->dev, &p->tx, queue + 1, QUEUE_SIZE, vector);
	return rc;
}

static int console_setup(struct virtio_console *con, struct pci_dev *pci)
{
	u32 ports = 0;
	int rc, vector;

	waitq_init(&con->control_wait);
	rc = virtio_open(&con->dev, pci);
	if (rc == 0)
		rc = virtio_negotiate(&con->dev, F_MULTIPORT | VIRTIO_F_EVENT_IDX);
	if (rc < 0)
		return rc;
	if (!(con->dev.features & F_MULTIPORT)) {
		pr_warn("virtio-console: a device without named ports is of no use here");
		return -ENODEV;
	}
	virtio_config_read(&con->dev, CONFIG_MAX_PORTS, &ports, sizeof(ports));
	con->control_buffers = kmalloc(CONTROL_QUEUE_SIZE * CONTROL_BUFFER);
	con->control_out = kmalloc(CONTROL_BUFFER);
	vector = virtio_vector(&con->dev, 0, console_interrupt, con);
	if (!con->control_buffers || !con->control_out || vector < 0)
		return -ENOMEM;
	rc = virtio_queue_init(&con->dev, &con->control_rx, 2, CONTROL_QUEUE_SIZE, vector);
	if (rc == 0)
		rc = virtio_queue_init(&con->dev, &con->control_tx, 3, 4, vector);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < MIN(ports, MAX_PORTS); i++) {
		rc = port_create(con, i, vector);
		if (rc < 0)
			return rc;
	}
	con->nr_ports = MIN(ports, MAX_PORTS);
	return 0;
}

void virtio_console_probe(struct pci_dev *pci)
{
	struct virtio_console *con = kzalloc(sizeof(*con));

	if (!con || console_setup(con, pci) < 0) {
		/* rare and at boot: what was allocated is not given back, the device may have seen its address */
		pr_warn("virtio-console: not usable");
		if (con && con->dev.common)
			virtio_give_up(&con->dev);
		return;
	}
	virtio_ready(&con->dev);
	for (unsigned i = 0; i < con->control_rx.size; i++)
		control_post(con, con->control_buffers + i * CONTROL_BUFFER);
	virtio_kick(&con->control_rx);
	/*
	 * The device tells its ports in answer to this, and has told them when it gives the message back: the ports
	 * are there when probe returns.
	 */
	control_send(con, ~0u, EVENT_DEVICE_READY, 1);
	control_drain(con);
	if (thread_spawn(control_thread, con, PRIO_NORMAL, "vcon") < 0)
		pr_warn("virtio-console: no memory for its thread");
}
