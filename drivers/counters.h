/* SPDX-License-Identifier: MIT */
/* The drivers' counters. */
#ifndef DRIVERS_COUNTERS_H
#define DRIVERS_COUNTERS_H

#include "kernel/counter.h"

#define DRIVER_COUNTERS(X)								\
	X(nr_virtio_refused, "answers of a virtio device with an impossible id or length")	\
	X(nr_net_rx, "frames received")							\
	X(nr_net_rx_interrupt, "receive interrupts")					\
	X(nr_net_rx_polled, "batches found by polling, without an interrupt")		\
	X(nr_net_rx_merged, "frames that stood in several buffers and were copied")	\
	X(nr_net_rx_refused, "received frames dropped for an impossible length")	\
	X(nr_net_tx, "frames sent")							\
	X(nr_net_tx_full, "send calls that found too little room in the queue")		\
	X(nr_blk_read, "disk reads, as handed to the device")				\
	X(nr_blk_write, "disk writes, as handed to the device")				\
	X(nr_blk_flush, "disk cache flushes")						\
	X(nr_blk_error, "disk requests that the device failed")
DECLARE_COUNTERS(DRIVER_COUNTERS)
extern struct counter_group driver_counters;

#endif
