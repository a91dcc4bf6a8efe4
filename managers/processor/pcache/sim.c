/* SPDX-License-Identifier: MIT */
/*
 * The scheduler of the simulation: kernel threads are fibers, one runs at a time, and at every lock, unlock and shootdown
 * another may be chosen. Wait queues and mutexes are the kernel's own. Not part of the kernel: #included by the test.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>
#include <sanitizer/common_interface_defs.h>

#include "arch/x86/regs.h"
#include "kernel/sched.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/base/printk.h"
#include "lib/base/string.h"
#include "managers/processor/pcache/sim.h"
#include "mm/slab.h"

#define STACK_SIZE	(256 * 1024)
#define MAX_FIBERS	256
#define MAX_LOCKS	24

struct fiber {
	struct thread t;
	ucontext_t ctx;
	void *stack, *fake_stack;
	void (*fn)(void *arg);
	void *arg;
	bool user, asleep;		/* asleep: in schedule(), not merely preempted on the way there */
	struct regs regs;
	struct sim_tlb tlb;
	u64 visited[8];			/* by sim_for_each_tlb() calls under way, a slot each */
	const struct spinlock *locks[MAX_LOCKS];
	unsigned nr_locks;
};

u64 sim_seed;
unsigned sim_switch_in;
bool sim_must_end;
void (*sim_lock_seen)(const struct spinlock *l);
static u64 state, now_ns, steps;
static struct fiber *fibers[MAX_FIBERS], *current;
static unsigned nr_fibers;
static ucontext_t main_ctx;
static void *main_fake_stack;
static const void *main_stack;
static size_t main_size;
static struct timer *timers[256];
static unsigned nr_timers;
static struct fiber main_fiber;
static bool failed;

u64 sim_random(u64 below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state * 0x2545f4914f6cdd1dULL >> 11) % below;
}
u64 sim_steps(void) { return steps; }

void sim_fail(const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "seed %llu step %llu %s: %s\n", (unsigned long long)sim_seed, (unsigned long long)steps,
		current != NULL ? current->t.name : "main", text);
	abort();
}

/* --- switching --- */

static void to_main(void)
{
	struct fiber *f = current;

	__sanitizer_start_switch_fiber(f->t.state == THREAD_DEAD ? NULL : &f->fake_stack, main_stack, main_size);
	swapcontext(&f->ctx, &main_ctx);
	__sanitizer_finish_switch_fiber(f->fake_stack, NULL, NULL);
}

static void to_fiber(struct fiber *f)
{
	current = f;
	steps++;
	now_ns += 1000;
	__sanitizer_start_switch_fiber(&main_fake_stack, f->stack, STACK_SIZE);
	swapcontext(&main_ctx, &f->ctx);
	__sanitizer_finish_switch_fiber(main_fake_stack, NULL, NULL);
	current = NULL;
}

static void entry(void)
{
	struct fiber *f = current;

	__sanitizer_finish_switch_fiber(NULL, &main_stack, &main_size);
	f->fn(f->arg);
	thread_exit();
}

void sim_point(void)
{
	if (current != NULL && sim_random(sim_switch_in) == 0)
		to_main();
}

static struct fiber *fiber_make(void (*fn)(void *arg), void *arg, const char *name)
{
	struct fiber *f = calloc(1, sizeof(*f));

	if (nr_fibers == MAX_FIBERS)
		sim_fail("too many fibers");
	f->fn = fn;
	f->arg = arg;
	str_copy(f->t.name, name, sizeof(f->t.name));
	ref_init(&f->t.refs, 1);
	f->t.state = THREAD_RUNNING;
	f->stack = malloc(STACK_SIZE);
	getcontext(&f->ctx);
	f->ctx.uc_stack.ss_sp = f->stack;
	f->ctx.uc_stack.ss_size = STACK_SIZE;
	f->ctx.uc_link = NULL;
	makecontext(&f->ctx, entry, 0);
	fibers[nr_fibers++] = f;
	return f;
}

void sim_go(void (*fn)(void *arg), void *arg, bool user, const char *name)
{
	struct fiber *f = fiber_make(fn, arg, name);

	f->user = user;
	f->t.task = user ? f : NULL;
}

static void completion(void *arg)
{
	struct rpc *call = arg;

	call->done(call);
}

void sim_completion(struct rpc *call) { fiber_make(completion, call, "done"); }

void sim_set_rip(u64 rip) { current->regs.rip = rip; }
void *sim_tlb(void) { return current == NULL ? &main_fiber.tlb : &current->tlb; }
/* Every fiber's TLB once, with others running in between: the list may change, and several may do this at once. */
void sim_for_each_tlb(void (*fn)(void *tlb, void *arg), void *arg)
{
	static u64 rounds;
	u64 mine = ++rounds;

	fn(&main_fiber.tlb, arg);
	for (unsigned i = 0; i < nr_fibers; i++) {
		if (fibers[i]->visited[mine % ARRAY_SIZE(fibers[i]->visited)] == mine)
			continue;
		fibers[i]->visited[mine % ARRAY_SIZE(fibers[i]->visited)] = mine;
		fn(&fibers[i]->tlb, arg);
		sim_point();
		i = -1;
	}
}
struct regs *arch_user_regs(void) { return &current->regs; }

/* --- the kernel's services --- */

struct thread *shim_current_thread(void) { return current == NULL ? &main_fiber.t : &current->t; }

int thread_spawn(void (*fn)(void *arg), void *arg, int prio, const char *fmt, ...)
{
	char name[16];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	fiber_make(fn, arg, name);
	return 0;
}

void thread_exit(void)
{
	current->t.state = THREAD_DEAD;
	to_main();
	abort();
}

void thread_wake(struct thread *t)
{
	if (t->state == THREAD_WAITING)
		t->state = THREAD_RUNNING;
}

void schedule(void)
{
	if (current == NULL)
		sim_fail("the test's own thread would sleep");
	current->asleep = true;
	to_main();
	current->asleep = false;
}
void thread_yield(void) { schedule(); }
u64 time_mono_ns(void) { return now_ns; }
u64 time_wall_ns(void) { return now_ns; }

void timer_start(struct timer *t, u64 when_ns)
{
	t->when_ns = when_ns;
	t->state = 1;
	timers[nr_timers++] = t;
}
bool timer_cancel(struct timer *t)
{
	for (unsigned i = 0; i < nr_timers; i++) {
		if (timers[i] == t) {
			timers[i] = timers[--nr_timers];
			return true;
		}
	}
	return false;
}
void timer_cancel_sync(struct timer *t) { (void)timer_cancel(t); }

static void sleep_wake(struct timer *tm) { thread_wake(tm->arg); }
void thread_sleep_ns(u64 ns)
{
	struct timer tm = { .fn = sleep_wake, .arg = thread_current() };

	thread_current()->state = THREAD_WAITING;
	timer_start(&tm, now_ns + ns);
	schedule();
	(void)timer_cancel(&tm);
}

/* --- locks --- */

void might_sleep(void)
{
	if (current != NULL && current->nr_locks != 0)
		sim_fail("sleeps under spinlock %s", current->locks[current->nr_locks - 1]->name);
}
void preempt_disable(void) { }
void preempt_enable(void) { }

static void take(struct spinlock *l, bool nested)
{
	struct fiber *me = current == NULL ? &main_fiber : current;

	for (unsigned i = 0; i < me->nr_locks; i++) {
		if (me->locks[i] == l)
			sim_fail("takes %s twice", l->name);
		if (l->rank != RANK_NONE && (me->locks[i]->rank > l->rank || (me->locks[i]->rank == l->rank && !nested)))
			sim_fail("lock order: %s under %s", l->name, me->locks[i]->name);
	}
	sim_point();
	while (l->host != NULL) {
		if (current == NULL)
			sim_fail("main would spin on %s", l->name);
		to_main();
	}
	l->host = me;
	if (sim_lock_seen != NULL && me->user)
		sim_lock_seen(l);
	if (me->nr_locks == MAX_LOCKS)
		sim_fail("too many locks");
	me->locks[me->nr_locks++] = l;
}

void spin_lock(struct spinlock *l) { take(l, false); }
void spin_lock_nested(struct spinlock *l) { take(l, true); }
void spin_unlock(struct spinlock *l)
{
	struct fiber *me = current == NULL ? &main_fiber : current;
	unsigned i = 0;

	while (i < me->nr_locks && me->locks[i] != l)
		i++;
	if (i == me->nr_locks)
		sim_fail("unlocks %s, which it does not hold", l->name);
	me->locks[i] = me->locks[--me->nr_locks];
	l->host = NULL;
	sim_point();
}
u64 spin_lock_irqsave(struct spinlock *l)
{
	spin_lock(l);
	return 0;
}
void spin_unlock_irqrestore(struct spinlock *l, u64 flags)
{
	(void)flags;
	spin_unlock(l);
}
bool spin_held(const struct spinlock *l) { return l->host == (current == NULL ? &main_fiber : current); }

/* --- running --- */

/* So many moves of messages in a row, while no fiber can run and without one that can afterwards: all of them wait for what nobody sends. */
#define WAITING_MAX 100000

static unsigned waiting;

void sim_begin(u64 seed)
{
	sim_seed = seed;
	state = seed * 0x9e3779b97f4a7c15ULL + 0x1234567;
	now_ns = 1000;
	sim_switch_in = 3;		/* these, too, are the same for each test, whatever ran before it */
	steps = 0;
	waiting = 0;
	failed = false;
	memset(&main_fiber, 0, sizeof(main_fiber));
	main_fiber.t.state = THREAD_RUNNING;
	nr_fibers = nr_timers = 0;
	current = NULL;
	sim_mmu_reset();
	sim_memory_reset();
}

static void fiber_free(struct fiber *f)
{
	free(f->stack);
	free(f);
}

void sim_end(void)
{
	for (unsigned i = 0; i < nr_fibers; i++) {
		if (!fibers[i]->user)
			kfree(fibers[i]->arg);		/* the daemons' own */
		fiber_free(fibers[i]);
	}
	nr_fibers = 0;
	sim_mmu_reset();
	sim_memory_reset();
}

static void reap(void)
{
	for (unsigned i = 0; i < nr_fibers; i++) {
		if (fibers[i]->t.state == THREAD_DEAD) {
			fiber_free(fibers[i]);
			fibers[i--] = fibers[--nr_fibers];
		}
	}
}

static bool users_left(void)
{
	for (unsigned i = 0; i < nr_fibers; i++)
		if (fibers[i]->user && fibers[i]->t.state != THREAD_DEAD)
			return true;
	return false;
}

static bool timer_fire(void)
{
	unsigned best = nr_timers;
	struct timer *t;

	for (unsigned i = 0; i < nr_timers; i++)
		if (best == nr_timers || timers[i]->when_ns < timers[best]->when_ns)
			best = i;
	if (best == nr_timers)
		return false;
	t = timers[best];
	timers[best] = timers[--nr_timers];
	if (t->when_ns > now_ns)
		now_ns = t->when_ns;
	t->fn(t);
	return true;
}

static bool ready_to_run(const struct fiber *f)
{
	return f->t.state != THREAD_DEAD && !(f->asleep && f->t.state == THREAD_WAITING);
}

static bool step(void)
{
	unsigned ready = 0, pick;

	for (unsigned i = 0; i < nr_fibers; i++)
		ready += ready_to_run(fibers[i]);
	waiting = ready > 0 ? 0 : waiting + 1;
	if (ready == 0 || sim_random(8) == 0) {
		if (waiting <= WAITING_MAX && sim_memory_event())
			return true;
		if (ready == 0 && timer_fire()) {
			waiting = 0;
			return true;
		}
	}
	if (nr_timers > 0 && sim_random(64) == 0)
		(void)timer_fire();
	if (ready == 0)
		return false;
	pick = sim_random(ready);
	for (unsigned i = 0; i < nr_fibers; i++) {
		if (ready_to_run(fibers[i]) && pick-- == 0) {
			to_fiber(fibers[i]);
			break;
		}
	}
	reap();
	return true;
}

static void dump(void)
{
	for (unsigned i = 0; i < nr_fibers; i++)
		fprintf(stderr, "  fiber %s state %u locks %u rip %llx\n", fibers[i]->t.name, fibers[i]->t.state, fibers[i]->nr_locks,
			(unsigned long long)fibers[i]->regs.rip);
	fprintf(stderr, "  messages %u, free victims %u, held %u, reserve %u\n", sim_memory_waiting(), pcache.nr_victim_free,
		pcache.nr_victim_held, pcache.nr_reserve);
	for (u64 i = 0; i < pcache.p.nr_lines + RESERVE_LINES; i++) {
		struct pcache_line *l = &pcache.lines[i];

		if (l->state != LINE_FREE)
			fprintf(stderr, "  line %llu set %u (%llx,%llx) %s owners %u pins %u kept %d dirty %d\n", (unsigned long long)i,
				l->page.set->number, (unsigned long long)l->page.id.space, (unsigned long long)l->page.id.index,
				line_state_name[l->state], l->page.nr_owners, l->pins, atomic_read(&l->kept), l->page.dirty);
	}
}

bool sim_run(u64 max_steps)
{
	while (users_left()) {
		if (steps > max_steps) {
			fprintf(stderr, "seed %llu: no end in sight\n", (unsigned long long)sim_seed);
			if (rule_gone >= 0 && !sim_must_end)
				_exit(0);	/* says nothing: some schedules are long */
			dump();
			return false;
		}
		if (!step()) {
			fprintf(stderr, "seed %llu: deadlock\n", (unsigned long long)sim_seed);
			dump();
			return false;
		}
	}
	return true;
}

bool sim_drain(void)
{
	for (u64 n = 0; n < 1000000; n++)
		if (!step())
			return sim_memory_waiting() == 0;
	return false;
}
