/* SPDX-License-Identifier: MIT */
/* Between connections and the membership thread. For net/fit alone. */
#ifndef NET_FIT_MEMBER_H
#define NET_FIT_MEMBER_H

#include "net/fit/fit.h"

void member_conn_unused(struct fit_conn *c);	/* the last reference went; any context */
void conn_release(struct fit_conn *c);		/* frees it */
u32 conn_max_request(void);
void serve_end_all(struct fit_conn *c);

#endif
