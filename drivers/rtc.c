/* SPDX-License-Identifier: MIT */
/* The CMOS clock, read once at boot; from then on wall time advances with the TSC. */
#include "arch/x86/cpu.h"
#include "drivers/acpi.h"
#include "drivers/drivers.h"
#include "drivers/rtc.h"
#include "kernel/time.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"

#define CMOS_INDEX	0x70
#define CMOS_DATA	0x71
#define STATUS_A	0x0a
#define STATUS_B	0x0b
#define UPDATE_IN_PROGRESS 0x80

static u8 cmos_read(u8 reg)
{
	outb(CMOS_INDEX, reg);
	return inb(CMOS_DATA);
}

static void read_registers(struct rtc_registers *r)
{
	u8 century = acpi_fadt() ? acpi_fadt()->century : 0;

	/* an update takes 2 ms at most; a chip that never ends it is caught by the bound */
	for (unsigned i = 0; i < 100000 && (cmos_read(STATUS_A) & UPDATE_IN_PROGRESS); i++)
		cpu_relax();
	*r = (struct rtc_registers){
		.second = cmos_read(0), .minute = cmos_read(2), .hour = cmos_read(4),
		.day = cmos_read(7), .month = cmos_read(8), .year = cmos_read(9),
		.century = century && century < 128 ? cmos_read(century) : 0,
		.status_b = cmos_read(STATUS_B),
	};
}

void rtc_init(void)
{
	struct rtc_registers now, again;
	u64 seconds;

	/* the clock may have ticked between two registers: two equal readings in a row are one moment */
	read_registers(&now);
	for (unsigned i = 0; i < 8; i++) {
		again = now;
		read_registers(&now);
		if (memcmp(&again, &now, sizeof(now)) == 0)
			break;
	}
	if (rtc_to_unix(&now, &seconds) < 0) {
		pr_warn("rtc: the clock holds no date; wall time begins in 1970");
		return;
	}
	time_set_wall_ns(seconds * NSEC_PER_SEC);
}
