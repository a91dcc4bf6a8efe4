/* SPDX-License-Identifier: MIT */
/* The CMOS clock's registers and their meaning as Unix time (pure, rtc_time.c). */
#ifndef DRIVERS_RTC_H
#define DRIVERS_RTC_H

#include "lib/base/types.h"

struct rtc_registers {
	u8 second, minute, hour, day, month, year;
	u8 century;		/* 0: the machine has no such register */
	u8 status_b;		/* bit 2: binary, not BCD; bit 1: 24 hours */
};

/* Seconds since 1970, UTC. 0 or -EINVAL when the registers are no date. */
int rtc_to_unix(const struct rtc_registers *r, u64 *seconds);

#endif
