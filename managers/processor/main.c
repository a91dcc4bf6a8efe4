/* SPDX-License-Identifier: MIT */
/* The processor node's manager. */
#include "kernel/counter.h"
#include "kernel/main.h"
#include "kernel/param.h"
#include "kernel/power.h"
#include "kernel/printk.h"
#include "kernel/thread.h"
#include "lib/base/errno.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/control/control.h"
#include "managers/processor/commands.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/process/process.h"
#include "managers/processor/random.h"
#include "managers/processor/space/space.h"
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
	if (node < 0 || rpc_call(node, RPC_memory_accounting, NULL, &r, sizeof(r)) < 0 || !accounting_ok(&r))
		return;
	m->total = le64_get(r.frames_total) * PAGE_SIZE;
	m->free = le64_get(r.frames_free) * PAGE_SIZE;
	m->cached = le64_get(r.frames_cached) * PAGE_SIZE;
	m->available = m->free + m->cached;
}

static void peer_changed(unsigned node, enum node_role role, bool up)
{
	if (!up && role == ROLE_MEMORY)
		space_memory_lost(node);
	if (!up && !fit_node_left(node))
		control_note("%s is dead", fit_node_name(node));
}

/* Why not is in the log. */
static void __noreturn cannot_start(int rc)
{
	const char *text = param_errors() != 0 ? "a parameter is wrong" : "the processor node cannot start";
	char word[96];

	printk_drain();			/* the host looks there when it hears of this */
	control_send("error ready %s %s", errno_name(rc), control_word(word, sizeof(word), text));
	thread_exit();
}

/* What a call costs that does nothing, for whoever measures. */
static void probe(void)
{
	u64 nr = param_u64("fit.probe", 0, 0, 1000000);
	int node = fit_wait_role(ROLE_MEMORY, 1), rc = 0;

	for (u64 i = 0; i < nr && rc == 0; i++)
		rc = fit_probe(node);
	if (rc < 0)
		pr_warn("fit.probe: %s", errno_name(rc));
}

/* The rest needs the other nodes, which may take their time to boot. */
static void join_thread(void *space_rc)
{
	static const enum node_role needed[] = { ROLE_MEMORY, ROLE_STORAGE, ROLE_NONE };
	int rc = (long)space_rc;

	if (rc == 0 && param_errors() != 0)
		rc = -EINVAL;		/* a run with other than the parameters asked for would say nothing */
	if (rc < 0)
		cannot_start(rc);
	fs_init();
	do {				/* again where one of them goes meanwhile */
		control_wait_peers(needed);
		rc = fs_mount_all();
	} while (rc == -EHOSTDOWN);
	if (rc < 0)
		cannot_start(rc);
	probe();
	pcache_measure_wire();
	control_wait_peers(needed);
	pr_info("ready");
	control_ready();
	commands_run_init();
	thread_exit();
}

void manager_init(void)
{
	long space_rc;

	random_init();
	/* asked for by programs later; known, and read once, from now on */
	(void)param_str("hostname", NULL);
	(void)param_bool("aslr", true);
	(void)param_nth("init.arg", 0);
	(void)param_nth("init.env", 0);
	(void)param_str("init", NULL);
	if (process_subsystem_init() < 0)
		panic("no memory for the first process");
	syscall_init();
	if (fit_init(ROLE_PROCESSOR, ops, ARRAY_SIZE(ops)) < 0) {
		pr_note("a processor node without its network is of no use");	/* why not was said */
		power_off();
	}
	space_rc = space_init();	/* a bad parameter is known before the other nodes are */
	commands_init();
	control_init("processor");
	fit_on_change(peer_changed);
	fit_start();
	if (thread_spawn(join_thread, (void *)space_rc, PRIO_NORMAL, "join") < 0)
		panic("no memory to join");
}
