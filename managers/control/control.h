/* SPDX-License-Identifier: MIT */
/*
 * The control port ("tangram.control"): lines of text between a node and the tool that runs the cluster. Words are separated
 * by one blank, values percent-encoded. Here is what all roles share: hello, ready, ping, counters, cpu-counters, acct, latency,
 * poweroff, answers and errors; a role registers its own verbs. A node without the port does without.
 */
#ifndef MANAGERS_CONTROL_CONTROL_H
#define MANAGERS_CONTROL_CONTROL_H

#include "lib/base/types.h"
#include "net/fit/rpc.h"

/*
 * role: "processor", "memory", "storage". Starts the thread that reads commands; fit_self() must be known. Verbs registered
 * before stay, so that a role may have its own poweroff.
 */
void control_init(const char *role);

/*
 * fn runs in the control thread, one command at a time, and may sleep; argv[0] is the verb, all words are decoded.
 * 0: "ok VERB" is sent; CONTROL_ANSWERED: fn has sent or will send what there is to say; negative errno: "error VERB ERRNO TEXT".
 * A later registration of a verb replaces the earlier one.
 */
#define CONTROL_ANSWERED 1
typedef int (*control_fn)(unsigned argc, char **argv);
void control_register(const char *verb, control_fn fn);
void control_why(const char *fmt, ...) __printf(1, 2);	/* TEXT of the error that fn is about to return */

/*
 * Send one line, without the newline; whole, never mixed with another's. Sleeps. fmt's values must be free of blanks: those that
 * may not be go through control_word() first.
 */
void control_send(const char *fmt, ...) __printf(1, 2);
/* Percent-encode text into buf (cut when it does not fit) and return buf. */
const char *control_word(char *buf, size_t size, const char *text);
/*
 * Sleep until all of fit.peers are up and a node of each role named (ROLE_NONE: end of the list) is. Says "waiting NAME" to the
 * host from time to time, and to the log once it takes long.
 */
void control_wait_peers(const enum node_role *roles);
/* "ready": this node has joined */
void control_ready(void);
/* "note TEXT", also to the kernel log */
void control_note(const char *fmt, ...) __printf(1, 2);
bool control_present(void);				/* is there a port at all? */

#endif
