/* SPDX-License-Identifier: MIT */
/*
 * The 16550 at COM1: where the kernel log goes, and the input of "ttyS0".
 *
 * Three ways out: polled from the first instruction on; by interrupts from a ring once serial_init() has run, so that
 * a log line costs its writer nothing (L38); polled again in a panic. Input stops at the chip's FIFO when nobody reads,
 * and from there the host waits: no byte is dropped.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/irq.h"
#include "drivers/console_port.h"
#include "drivers/drivers.h"
#include "kernel/printk.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"

#define COM1		0x3f8
#define COM1_IRQ	4
#define UART_CLOCK	115200		/* divisor 1 */

enum { UART_DATA = 0, UART_IER = 1, UART_FCR = 2, UART_IIR = 2, UART_LCR = 3, UART_MCR = 4, UART_LSR = 5, UART_SCRATCH = 7 };
#define IER_RX		0x01
#define IER_TX		0x02
#define IIR_NONE	0x01
#define FCR_ON_CLEARED	0x07		/* FIFOs on, both emptied, receive interrupt at the first byte */
#define LCR_8N1		0x03
#define LCR_DIVISOR	0x80
#define MCR_DTR_RTS_OUT2 0x0b		/* OUT2 gates the interrupt line */
#define LSR_RX_READY	0x01
#define LSR_TX_EMPTY	0x20
#define UART_FIFO	16

#define RING_SIZE	4096		/* power of two */
struct ring {
	u32 head, tail;			/* free running: bytes put, bytes taken */
	u8 data[RING_SIZE];
};

static struct serial {
	struct spinlock lock;
	bool present;			/* [I] */
	bool interrupts;		/* [I] after serial_init() */
	u8 ier;				/* [lock] what the chip's register holds */
	struct ring tx, rx;		/* [lock] */
	struct waitq tx_room;		/* the transmit ring went empty */
	struct console_port port;
} serial = { .lock = SPINLOCK_INIT("serial", RANK_CONSOLE), .tx_room = WAITQ_INIT(serial.tx_room) };

static u32 ring_used(const struct ring *r)
{
	return r->head - r->tail;
}

static u32 ring_put(struct ring *r, const u8 *src, size_t len)
{
	u32 n = MIN(len, (size_t)(RING_SIZE - ring_used(r)));

	for (u32 i = 0; i < n; i++)
		r->data[r->head++ % RING_SIZE] = src[i];
	return n;
}

static u32 ring_take(struct ring *r, u8 *dst, size_t len)
{
	u32 n = MIN(len, (size_t)ring_used(r));

	for (u32 i = 0; i < n; i++)
		dst[i] = r->data[r->tail++ % RING_SIZE];
	return n;
}

static void uart_out(unsigned reg, u8 v)
{
	outb(COM1 + reg, v);
}

static u8 uart_in(unsigned reg)
{
	return inb(COM1 + reg);
}

static void uart_set_ier(u8 ier)
{
	if (serial.ier != ier) {
		serial.ier = ier;
		uart_out(UART_IER, ier);
	}
}

static void uart_put_polled(u8 c)
{
	/* bounded: a chip that never becomes ready must not hang a panic */
	for (unsigned i = 0; i < 1000000 && !(uart_in(UART_LSR) & LSR_TX_EMPTY); i++)
		cpu_relax();
	uart_out(UART_DATA, c);
}

/*
 * Early boot and panic. No lock: one CPU runs then. What the log thread had queued goes first, so that lines keep
 * their order.
 */
static void serial_write_poll(const char *text, size_t len)
{
	u8 c;

	if (!serial.present)
		return;
	while (ring_used(&serial.tx) && ring_take(&serial.tx, &c, 1))
		uart_put_polled(c);
	for (size_t i = 0; i < len; i++)
		uart_put_polled(text[i]);
}

static void serial_tx_fill(void)
{
	u8 c;

	assert_held(&serial.lock);
	if (uart_in(UART_LSR) & LSR_TX_EMPTY) {
		for (unsigned i = 0; i < UART_FIFO && ring_take(&serial.tx, &c, 1); i++)
			uart_out(UART_DATA, c);
	}
	uart_set_ier(ring_used(&serial.tx) ? serial.ier | IER_TX : serial.ier & ~IER_TX);
}

static void serial_rx_drain(void)
{
	assert_held(&serial.lock);
	while (ring_used(&serial.rx) < RING_SIZE && (uart_in(UART_LSR) & LSR_RX_READY)) {
		u8 c = uart_in(UART_DATA);

		(void)ring_put(&serial.rx, &c, 1);
	}
	/* full: no more receive interrupts until someone has read */
	uart_set_ier(ring_used(&serial.rx) < RING_SIZE ? serial.ier | IER_RX : serial.ier & ~IER_RX);
}

static void serial_interrupt(void *arg)
{
	bool rx_waiting, tx_empty;
	u64 flags = spin_lock_irqsave(&serial.lock);

	/* an ISA line is edge triggered: leave only when the chip has no cause left */
	for (unsigned i = 0; i < 64 && !(uart_in(UART_IIR) & IIR_NONE); i++) {
		serial_rx_drain();
		serial_tx_fill();
	}
	rx_waiting = ring_used(&serial.rx) != 0;
	tx_empty = ring_used(&serial.tx) == 0;
	spin_unlock_irqrestore(&serial.lock, flags);
	if (rx_waiting)
		waitq_wake_all(&serial.port.wait);
	if (tx_empty)
		waitq_wake_all(&serial.tx_room);
}

static bool serial_tx_idle(void)
{
	u64 flags = spin_lock_irqsave(&serial.lock);
	bool idle = ring_used(&serial.tx) == 0;

	spin_unlock_irqrestore(&serial.lock, flags);
	return idle;
}

/* From threads: returns when the chip has it all. */
static void serial_write(const char *text, size_t len)
{
	if (!serial.present)
		return;
	if (!serial.interrupts) {
		serial_write_poll(text, len);
		return;
	}
	while (len) {
		u64 flags = spin_lock_irqsave(&serial.lock);
		u32 n = ring_put(&serial.tx, (const u8 *)text, len);

		serial_tx_fill();
		spin_unlock_irqrestore(&serial.lock, flags);
		text += n;
		len -= n;
		waitq_wait(&serial.tx_room, serial_tx_idle());
	}
}

static s64 serial_port_read(struct console_port *p, void *buf, size_t len)
{
	u64 flags = spin_lock_irqsave(&serial.lock);
	u32 n = ring_take(&serial.rx, buf, len);

	if (serial.interrupts)
		serial_rx_drain();
	spin_unlock_irqrestore(&serial.lock, flags);
	return n ? (s64)n : -EAGAIN;
}

static s64 serial_port_write(struct console_port *p, const void *buf, size_t len)
{
	serial_write(buf, len);
	return len;
}

static bool serial_port_readable(struct console_port *p)
{
	u64 flags = spin_lock_irqsave(&serial.lock);
	bool r = ring_used(&serial.rx) != 0;

	spin_unlock_irqrestore(&serial.lock, flags);
	return r;
}

static bool serial_port_connected(struct console_port *p)
{
	return serial.present;
}

static const struct console_port_ops serial_port_ops = {
	.read = serial_port_read,
	.write = serial_port_write,
	.readable = serial_port_readable,
	.connected = serial_port_connected,
};

static const struct printk_sink serial_sink = { .write = serial_write, .write_poll = serial_write_poll };

void serial_early_init(void)
{
	uart_out(UART_SCRATCH, 0x5a);
	if (uart_in(UART_SCRATCH) != 0x5a)
		return;			/* no chip: the log stays in its ring */
	uart_out(UART_IER, 0);
	uart_out(UART_LCR, LCR_DIVISOR);
	uart_out(UART_DATA, 115200 / UART_CLOCK);
	uart_out(UART_IER, 0);		/* the divisor's high byte */
	uart_out(UART_LCR, LCR_8N1);
	uart_out(UART_FCR, FCR_ON_CLEARED);
	uart_out(UART_MCR, MCR_DTR_RTS_OUT2);
	serial.present = true;
	printk_set_sink(&serial_sink);
}

void serial_init(void)
{
	u64 flags;
	int rc;

	if (!serial.present)
		return;
	str_copy(serial.port.name, "ttyS0", sizeof(serial.port.name));
	serial.port.ops = &serial_port_ops;
	console_port_register(&serial.port);
	rc = irq_isa_request(COM1_IRQ, serial_interrupt, NULL);
	if (rc < 0) {
		pr_warn("serial: no interrupt (%d): output is polled, there is no input", rc);
		return;
	}
	serial.interrupts = true;
	flags = spin_lock_irqsave(&serial.lock);
	serial_rx_drain();
	spin_unlock_irqrestore(&serial.lock, flags);
}
