/* SPDX-License-Identifier: MIT */
/* What the rest of a processor node wants of timerfds. */
#ifndef MANAGERS_PROCESSOR_TIMERFD_H
#define MANAGERS_PROCESSOR_TIMERFD_H

void timerfds_clock_set(void);		/* the time of day was set: those that wait for one follow, or tell who reads */

#endif
