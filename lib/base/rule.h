/* SPDX-License-Identifier: MIT */
/*
 * Rules that a test can take away, one at a time, to see that it notices (make check-mutants): a test that cannot fail proves
 * nothing. RULE(NAME) guards the place where the rule is kept. On a node that takes a build with CONFIG_MUTANTS and the boot
 * parameter debug.mutant=NAME, or the number of the lesson that the rule comes from; on the host the test sets rule_gone. In
 * every other build a rule holds and costs nothing.
 */
#ifndef LIB_BASE_RULE_H
#define LIB_BASE_RULE_H

#include "lib/base/types.h"

/* name, lesson ("" for none; the first of a lesson's rules is the one that debug.mutant=Lnn takes away) */
#define PCACHE_RULES(X)									\
	X(EVICT_ALL_OWNERS, "L10")	/* an eviction takes the page from all its owners */ \
	X(EVICT_SHOOTDOWN, "")		/* a frame is read only after its shootdown */	\
	X(FOLD_DIRTY, "")		/* whoever takes a PTE away folds its D bit into the line */ \
	X(COW_DIRTY, "L17")		/* a copy is born dirty */			\
	X(COW_SHOOTDOWN, "")		/* the old frame's translations go before the copy is mapped */ \
	X(FORK_SHOOTDOWN, "L9")		/* write protection is in force before the child runs */ \
	X(COW_OWNERS, "")		/* a page with other owners is copied, whether they have it mapped or not */ \
	X(FORK_VICTIMS, "")		/* the child owns the parent's victim entries */ \
	X(FORK_HELD, "")		/* nothing that names the child is flushed before M knows it */ \
	X(FLUSH_ALL_OWNERS, "")		/* a flush names all owners */			\
	X(FLUSH_BUSY, "")		/* a page in flight is waited for, not fetched */ \
	X(ZAP_VICTIMS, "L16")		/* munmap drops victim entries, too, before it tells M */ \
	X(ZAP_PINS, "")			/* an unmapped line is not used before the shootdown */ \
	X(CLOSED, "")			/* faults in a range being changed wait */	\
	X(SEQUENCE, "")			/* the map is looked at again if it changed under a fault */ \
	X(CHANGE_NUMBERS, "")		/* fills carry the last change number */	\
	X(CHANGES_PUSHED, "")		/* the queued changes that a fill or flush names leave before it */ \
	X(PLACE_BUSY, "")		/* a page that M puts into a space is on its way until M has answered */ \
	X(PLACE_NUMBER, "")		/* that request carries the last change number */ \
	X(PLACE_CACHED, "")		/* what is cached here of a file is not read from M */ \
	X(REHOME_FRAME, "L14")		/* mremap moves the frame with the page into the new set */ \
	X(REMAP_HELD, "")		/* nothing of what moves is flushed until M is told */ \
	X(REMAP_DOWN, "")		/* the distance of a move is counted in pages, downwards too */ \
	X(MOVED_NAMES, "L14")		/* after mremap's message a flush uses the new number */ \
	X(BACK_PRESSURE, "L15")		/* a fault that finds no victim entry waits for one */ \
	X(TOKEN, "")			/* one thread at a time may keep the pages of its instruction */ \
	X(TOKEN_KEPT, "")		/* what is kept is not evicted */		\
	X(ACKNOWLEDGED, "L40")		/* a victim entry is kept until M has acknowledged it */ \
	X(FILL_CHECKED, "L40")		/* a fill that failed maps nothing */		\
	X(MISS_BEFORE_ROOM, "")		/* a miss is asked for before room is made */	\
	X(MISS_BEFORE_AHEAD, "")	/* ... and before pages ahead of their use are */ \
	X(KEPT_VERSION, "")		/* pages kept over a close are dropped when others have written the file */ \
	X(COMMIT_LEAVES, "")		/* what is unmapped stays charged until M has answered */ \
	X(MAPPED_THEN_CLOSED, "")	/* an object is closed only once M knows all that maps it */
#define OTHER_RULES(X)									\
	X(KERNEL_WRITE_FAULTS, "L30")	/* a kernel write to a read-only page faults as the program's own would */ \
	X(CALL_KEEPS_BLOCK, "L44")	/* a call that is given up keeps its memory until the answer or the end of the QP */

#define RULE_ENUM(name, lesson) RULE_##name,
enum rule { PCACHE_RULES(RULE_ENUM) NR_PCACHE_RULES, RULE_LAST_PCACHE = NR_PCACHE_RULES - 1, OTHER_RULES(RULE_ENUM) NR_RULES };

#if defined(TANGRAM_HOST) || defined(CONFIG_MUTANTS)
extern int rule_gone;		/* enum rule; -1: none */
#define RULE(name)	(__builtin_expect(rule_gone != RULE_##name, 1))
#else
#define RULE(name)	true
#endif

/* The rule of this name, or the first of this lesson; -1: there is none. */
int rule_find(const char *word);
const char *rule_name(int rule);
const char *rule_lesson(int rule);
void rules_init(void);		/* the boot parameter, after param_init() */

#endif
