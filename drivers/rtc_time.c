/* SPDX-License-Identifier: MIT */
/* The CMOS clock's registers as Unix time: BCD or binary, 12 or 24 hours, with or without a century. */
#include "drivers/rtc.h"
#include "lib/base/errno.h"

#define STATUS_24H	0x02
#define STATUS_BINARY	0x04
#define HOUR_PM		0x80

static int number(u8 v, bool binary, unsigned *out)
{
	if (!binary && ((v & 15) > 9 || (v >> 4) > 9))
		return -EINVAL;
	*out = binary ? v : (v >> 4) * 10 + (v & 15);
	return 0;
}

/* Days from 1970-01-01 in the Gregorian calendar; years begin in March, so that the leap day is the last. */
static u64 days_since_epoch(unsigned year, unsigned month, unsigned day)
{
	unsigned y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

	return 365ULL * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
	static const u8 days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

int rtc_to_unix(const struct rtc_registers *r, u64 *seconds)
{
	bool binary = r->status_b & STATUS_BINARY, pm = !(r->status_b & STATUS_24H) && (r->hour & HOUR_PM);
	u8 hour_bits = r->status_b & STATUS_24H ? r->hour : r->hour & ~HOUR_PM;
	unsigned second, minute, hour, day, month, year, century;

	if (number(r->second, binary, &second) || number(r->minute, binary, &minute) || number(hour_bits, binary, &hour) ||
	    number(r->day, binary, &day) || number(r->month, binary, &month) || number(r->year, binary, &year) ||
	    number(r->century, binary, &century))
		return -EINVAL;
	if (!(r->status_b & STATUS_24H)) {
		if (hour < 1 || hour > 12)
			return -EINVAL;
		hour = hour % 12 + (pm ? 12 : 0);
	}
	if (year > 99)
		return -EINVAL;
	/* without a century: the clock's two digits mean 1970 to 2069 */
	year += century >= 19 && century <= 25 ? century * 100 : year < 70 ? 2000 : 1900;
	if (second > 59 || minute > 59 || hour > 23 || month < 1 || month > 12 || year < 1970 || day < 1 ||
	    day > days_in_month(year, month))
		return -EINVAL;
	*seconds = days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	return 0;
}
