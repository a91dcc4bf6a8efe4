/* SPDX-License-Identifier: MIT */
/*
 * What an op list expands to. A list is a macro RPC_<ROLE>_OPS(X) of rows
 *	X(number, name, class)
 * and two field lists a row: RPC_<name>_REQ(F) and RPC_<name>_REP(F) of F(type, field). From them come, here: the numbers
 * RPC_<name>, struct rpc_<name>_req and _rep (packed, little endian), and the prototypes of the handlers serve_<name>();
 * the rows of the dispatch table. Append to the lists; never reuse a number. A row has its field lists in words, too: nodes whose
 * lists differ refuse each other. A struct stands there by its name: who changes one gives it another, or FIT another version.
 */
#ifndef MANAGERS_PROTOCOL_GEN_H
#define MANAGERS_PROTOCOL_GEN_H

#include "lib/base/types.h"
#include "net/fit/rpc.h"

#define RPC_GEN_FIELD(type, f)	type f;
#define RPC_GEN_ENUM(nr, op, class)	RPC_##op = nr,
#define RPC_GEN_STRUCT(nr, op, class)						\
	struct rpc_##op##_req { RPC_##op##_REQ(RPC_GEN_FIELD) } __packed;		\
	struct rpc_##op##_rep { RPC_##op##_REP(RPC_GEN_FIELD) } __packed;		\
	_Static_assert(sizeof(struct rpc_##op##_req) <= RPC_MAX_REQ, #op " request");	\
	_Static_assert(sizeof(struct rpc_##op##_rep) <= RPC_MAX_REP, #op " reply");
#define RPC_GEN_SERVE(nr, op, class)						\
	int serve_##op(const struct rpc_##op##_req *q, struct rpc_##op##_rep *r, struct rpc_call *c);

#define RPC_GEN_WORD(type, f)	#type " " #f ";"
#define RPC_GEN_WORDS(op)	RPC_##op##_REQ(RPC_GEN_WORD) ">" RPC_##op##_REP(RPC_GEN_WORD)

/* For the one file of a role that makes the table of what it serves: */
#define RPC_GEN_RUN(nr, op, class)						\
	static int run_##op(struct rpc_call *c, const void *q, void *r) { return serve_##op(q, r, c); }
#define RPC_GEN_ROW_SERVED(nr, op, class)					\
	{ nr, sizeof(struct rpc_##op##_req), sizeof(struct rpc_##op##_rep), class, #op, run_##op, RPC_GEN_WORDS(op) },
#define RPC_GEN_ROW_CALLED(nr, op, class)					\
	{ nr, sizeof(struct rpc_##op##_req), sizeof(struct rpc_##op##_rep), class, #op, NULL, RPC_GEN_WORDS(op) },

#endif
