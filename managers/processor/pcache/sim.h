/* SPDX-License-Identifier: MIT */
/*
 * Host tests of pcache/ and space/: the same sources over a scheduler of fibers, a fake MMU with TLBs that keep what nobody
 * flushed, and a fake memory node that answers late and in any order. Everything is chosen by one seeded generator, so a
 * seed is a schedule. sim.c: scheduler, locks, time. sim_mmu.c: page tables, TLBs, what a program does. sim_memory.c: M.
 */
#ifndef MANAGERS_PROCESSOR_PCACHE_SIM_H
#define MANAGERS_PROCESSOR_PCACHE_SIM_H

#include "managers/processor/space/space_impl.h"

/* --- sim.c --- */
struct fiber;
void sim_begin(u64 seed);		/* everything anew */
void sim_end(void);
u64 sim_random(u64 below);
void sim_point(void);			/* others may run now */
void sim_go(void (*fn)(void *arg), void *arg, bool user, const char *name);
/* Run until every user fiber has ended. false: nothing can run any more, or it takes for ever; said on stderr. */
bool sim_run(u64 max_steps);
bool sim_drain(void);			/* until no message is under way and the daemons sleep */
u64 sim_steps(void);
struct rpc;
void sim_completion(struct rpc *call);	/* its done callback, in a thread of its own */
void sim_set_rip(u64 rip);		/* of the calling user fiber */
void *sim_tlb(void);			/* the calling fiber's TLB; grows with sim_mmu.c's wish */
void sim_for_each_tlb(void (*fn)(void *tlb, void *arg), void *arg);
extern u64 sim_seed;
extern bool sim_must_end;		/* a run that does not end has failed, with a rule gone, too */
extern unsigned sim_switch_in;		/* one point in so many switches */
extern void (*sim_lock_seen)(const struct spinlock *l);	/* a program takes it; NULL: nobody looks */
void sim_fail(const char *fmt, ...) __printf(1, 2);

/* --- sim_mmu.c --- */
#define SIM_TLB_SIZE 16
struct sim_tlb_entry { struct pgd *pgd; u64 vpn; paddr_t pa; bool write, dirty, valid; };
struct sim_tlb { struct sim_tlb_entry e[SIM_TLB_SIZE]; };
/*
 * One access of a program: found in the TLB or the page tables, else a fault. check(arg, word) sees or changes the word at va
 * at the one moment of the access. 0, or the fault's error.
 */
int sim_access(struct space *s, u64 va, bool write, void (*check)(void *arg, u64 *word), void *arg);
/* One instruction that needs all these pages at once. */
int sim_instruction(struct space *s, const u64 *va, unsigned nr, unsigned writes);
void sim_mmu_reset(void);

/* --- sim_memory.c --- */
void sim_memory_reset(void);
bool sim_memory_event(void);		/* let one chosen message move; false: there is none */
unsigned sim_memory_waiting(void);
u64 sim_memory_pages(void);		/* private pages that M holds */
u64 sim_memory_spaces(void);
extern unsigned sim_memory_flushes;	/* messages */
extern bool sim_memory_takes_all;	/* it refuses no page, nor to send one ahead */
extern s64 sim_memory_limit;		/* pages that M promises in all */
extern bool sim_memory_tight;		/* it promises no more than is needed: what is charged there is what is reserved, at times */
extern bool sim_memory_refuses;		/* the first page of each flush */
extern u32 sim_memory_refusal;		/* what it says then: a positive errno, if it is sane */
extern void (*sim_memory_spoil)(unsigned op, void *rep);	/* a reply on its way, which it may change; NULL: nobody does */
extern void (*sim_memory_asked)(unsigned op);	/* a message is about to leave; NULL: nobody looks */
u64 sim_object_word(u64 object, u64 index);	/* first word of an object's page on M */
u64 sim_file(u64 ino, u64 nr_pages);	/* a file with known contents: word i of page p is sim_file_word(ino, p) */
u64 sim_file_word(u64 ino, u64 index);
u64 sim_file_id(u64 ino);
void sim_file_foreign_write(u64 ino, u64 index, u64 word);	/* by another node, while this one has it closed */
void sim_file_forget(u64 ino);
extern unsigned sim_memory_slow;	/* a message moves once in so many chances */
extern bool sim_memory_dead;		/* from then on no message moves: each call ends with EHOSTDOWN */
extern unsigned sim_fill_fails;		/* one fill in so many is answered with EIO or nonsense; 0: none */

#endif
