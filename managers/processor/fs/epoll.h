/* SPDX-License-Identifier: MIT */
/* What file_put() must know of epoll. */
#ifndef MANAGERS_PROCESSOR_EPOLL_H
#define MANAGERS_PROCESSOR_EPOLL_H

struct file;

void epoll_file_gone(struct file *f);	/* nobody has it open any more: out of all epolls */

#endif
