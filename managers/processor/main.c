/* SPDX-License-Identifier: MIT */
/* The processor node's manager. */
#include "kernel/counter.h"
#include "kernel/main.h"
#include "kernel/param.h"
#include "kernel/power.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/control/control.h"
#include "managers/processor/commands.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/process/process.h"
#include "managers/processor/random.h"
#include "managers/processor/syscall/syscall.h"
#include "managers/protocol/protocol.h"
#include "net/fit/rpc.h"

/* This node serves nobody: it only calls. */
static const struct rpc_op ops[] = { RPC_MEMORY_OPS(RPC_GEN_ROW_CALLED) RPC_STORAGE_OPS(RPC_GEN_ROW_CALLED) };

void memory_totals(struct memory_totals *m)
{
	struct rpc_memory_accounting_rep r;
	int node = fit_wait_role(ROLE_MEMORY, 1);

	memset(m, 0, sizeof(*m));
	if (node < 0 || rpc_call(node, RPC_memory_accounting, NULL, &r, sizeof(r)) < 0)
		return;
	m->total = le64_get(r.frames_total) * PAGE_SIZE;
	m->free = le64_get(r.frames_free) * PAGE_SIZE;
	m->cached = le64_get(r.frames_cached) * PAGE_SIZE;
	m->available = m->free + m->cached;
}

static void peer_changed(unsigned node, enum node_role role, bool up)
{
	if (!up && !fit_node_left(node))
		control_note("%s is dead", fit_node_name(node));
}

/* The rest needs the other nodes, which may take their time to boot. */
static void join_thread(void *arg)
{
	u64 next_word = time_mono_ns() + 10 * NSEC_PER_SEC;
	int rc;

	while (fit_wait_all(2 * NSEC_PER_SEC) < 0 || fit_wait_role(ROLE_MEMORY, NSEC_PER_SEC) < 0 ||
	       fit_wait_role(ROLE_STORAGE, NSEC_PER_SEC) < 0) {
		if (time_mono_ns() >= next_word) {
			pr_warn("still waiting for the peers of fit.peers to join");
			control_note("still waiting for its peers to join");
			next_word = time_mono_ns() + 10 * NSEC_PER_SEC;
		}
	}
	rc = space_init();
	if (rc == 0)
		rc = fs_init();
	if (rc == 0 && param_errors() != 0)
		rc = -EINVAL;		/* a run with other than the parameters asked for would say nothing */
	if (rc < 0) {
		char word[96];

		if (param_errors() == 0)
			pr_err("cannot start: %s", errno_name(rc));
		control_send("error ready %s %s", errno_name(rc),
			     control_word(word, sizeof(word), param_errors() ? "a parameter is wrong" : "the processor node cannot start"));
	} else {
		pr_info("ready");
		control_ready();
		commands_run_init();
	}
	thread_exit();
}

void manager_init(void)
{
	random_init();
	(void)param_str("hostname", NULL);	/* asked for by programs later; known from now on */
	if (process_subsystem_init() < 0)
		panic("no memory for the first process");
	syscall_init();
	if (fit_init(ROLE_PROCESSOR, ops, ARRAY_SIZE(ops)) < 0) {
		pr_err("this node has no network and can do nothing");
		return;
	}
	commands_init();
	control_init("processor");
	fit_on_change(peer_changed);
	fit_start();
	if (thread_spawn(join_thread, NULL, PRIO_NORMAL, "join") < 0)
		panic("no memory to join");
}
