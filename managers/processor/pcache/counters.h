/* SPDX-License-Identifier: MIT */
/*
 * The pcache's counters. The sentence beside each is its definition; Documentation/counters.md has the identities that hold
 * between them when nothing is in progress.
 */
#ifndef MANAGERS_PROCESSOR_PCACHE_COUNTERS_H
#define MANAGERS_PROCESSOR_PCACHE_COUNTERS_H

#include "kernel/counter.h"

#define PCACHE_COUNTERS(X)								\
	X(nr_pgfault, "page faults of programs and of the kernel on their memory, when answered") \
	X(nr_pgfault_code, "of these, faults of instruction fetches")			\
	X(nr_pgfault_set_hit, "faults answered by mapping a line that was in its set")	\
	X(nr_pgfault_wp, "write faults on a page that was mapped or cached read-only: cow + reuse + shared") \
	X(nr_pgfault_wp_cow, "of these, answered by a private copy")			\
	X(nr_pgfault_wp_reuse, "of these, answered by making the only owner's frame writable") \
	X(nr_pgfault_wp_shared, "of these, answered by making a shared mapping's page writable") \
	X(nr_pgfault_spurious, "faults that found the page accessible: another thread was first") \
	X(nr_pgfault_failed, "faults answered with an error (a signal, or EFAULT from a system call)") \
	X(nr_pgfault_due_to_concurrent_eviction, "times a fault found its own page leaving, filling or being flushed, and waited") \
	X(nr_pcache_fill_zerofill, "faults answered with a page of zeros made here")	\
	X(nr_pcache_fill_from_memory, "faults answered with a page fetched from its memory node") \
	X(nr_pcache_fill_from_memory_zero, "of these, pages that the memory node never had: no data came") \
	X(nr_pcache_fill_from_victim, "faults answered by taking a page back from the victim cache") \
	X(nr_pcache_fill_ns, "nanoseconds, not faults: from trap to retry of all that were answered from memory, or waited for their page (on its way, leaving or being flushed)") \
	X(nr_pcache_fill_undone, "fetched pages dropped because the map had changed or the fetch failed") \
	X(nr_pcache_eviction_triggered, "times room was to be made in a set")		\
	X(nr_pcache_eviction_succeed, "lines evicted")					\
	X(nr_pcache_eviction_clean, "of these, dropped for nothing because M has the same") \
	X(nr_pcache_eviction_eagain_freeable, "times room was to be made and another thread had freed a line meanwhile") \
	X(nr_pcache_eviction_eagain_concurrent, "times no line could be evicted because others were in progress or pinned") \
	X(nr_pcache_eviction_failure_find, "times no line could be evicted because all were held by the progress token") \
	X(nr_pcache_eviction_failure_evict, "times the line to be evicted had to stay: no victim entry was free") \
	X(nr_pcache_reserve_used, "lines lent to a set beyond its ways")		\
	X(nr_pcache_object_dropped, "cached pages of objects dropped by truncate, close or a new version") \
	X(nr_pcache_object_kept, "closed files whose cached pages were kept")	\
	X(nr_pcache_object_revived, "times a kept file was opened again and its pages were still right") \
	X(nr_pcache_object_stale, "times a kept file was opened again and others had written it: its pages were dropped") \
	X(nr_pcache_kept_hit, "first hits on pages that were kept while their file was closed") \
	X(nr_pcache_eviction_idle, "lines evicted because nobody had them mapped, before the policy was asked") \
	X(nr_pcache_prefetch, "pages asked for before anybody wanted them")	\
	X(nr_pcache_prefetch_useful, "of these, used, and there in time")	\
	X(nr_pcache_prefetch_late, "of these, used by a fault that found them on their way and waited") \
	X(nr_pcache_prefetch_wasted, "of these, gone from their line unused")	\
	X(nr_pcache_prefetch_undone, "of these, not taken: M had them not at hand, or the map had changed") \
	X(nr_pcache_prefetch_skipped, "pages not asked for ahead: no room in their set, or too many on their way") \
	X(nr_pcache_around, "of nr_pcache_prefetch, those of a file that lie around a miss") \
	X(nr_pcache_around_wasted, "of these, gone from their line unused")	\
	X(nr_pcache_prefetch_run, "times pages were asked for ahead")		\
	X(nr_pcache_prefetch_message, "messages that asked for them, up to 8 pages each")	\
	X(nr_space_place, "requests that M put pages of a file into a space, for a large read()") \
	X(nr_space_place_page, "pages that M put there: their bytes did not pass by here") \
	X(nr_space_change_queued, "changes of maps that wait for nobody: mprotect, brk, madvise, anonymous mmap, munmap") \
	X(nr_space_change_merged, "of these, those that one queued before them says as well, or that undid it") \
	X(nr_space_change_sent, "messages that told M of such changes, of mappings of objects and of some mremaps, without waiting") \
	X(nr_space_change_waited, "changes of maps that waited for M: exec, fork, exit, some mremaps") \
	X(nr_clflush, "pages cleaned in place: msync, fsync, sync, a last close, fork's 64th owner, mremap of a shared page")	\
	X(nr_clflush_fail, "of these, pages that M refused: the caller asks again, or is told") \
	X(nr_clflush_clean_skipped, "pages that were to be cleaned in place and were clean") \
	X(nr_victim_lookup, "times a page that is in no line was looked up in the victim cache") \
	X(nr_victim_hit, "of these, found there and taken or copied from")		\
	X(nr_victim_eviction_triggered, "times a free victim entry was wanted")		\
	X(nr_victim_eviction_eagain, "of these, none was free")				\
	X(nr_victim_eviction_succeed, "victim entries freed by M's acknowledgement")	\
	X(nr_victim_prepare_insert, "victim entries set aside before a line began to leave") \
	X(nr_victim_unprepared, "victim entries set aside and not needed: the page was clean") \
	X(nr_victim_finish_insert, "dirty pages put into the victim cache")		\
	X(nr_victim_dropped, "victim entries freed because their last owner went")	\
	X(nr_victim_flush_submitted_clean, "always 0: a clean page never enters the victim cache") \
	X(nr_victim_flush_submitted_dirty, "victim entries sent to M")			\
	X(nr_victim_flush_finished_dirty, "victim entries acknowledged by M")		\
	X(nr_victim_flush_failed, "victim entries sent to M that it refused, or did not live to take") \
	X(nr_victim_lost, "of these, given up: the spaces that own them are lost")	\
	X(nr_victim_flush_async_run, "messages of the flush daemon")			\
	X(nr_victim_flush_sync, "times a thread waited for the flush of one page")	\
	X(nr_sweep_run, "batches of the sweep daemon")					\
	X(nr_sweep_nr_pset, "sets looked at in these batches")				\
	X(nr_sweep_nr_moved_pcm, "lines found accessed, or not looked at since they were fetched ahead, by the sweep or by an eviction, and aged") \
	X(nr_mremap_pset_same, "pages moved by mremap whose set stayed the same, or that were not here")	\
	X(nr_mremap_pset_diff, "pages moved by mremap into another set, or left to their other owners")		\
	X(nr_pcache_rmap_alloc, "owners made")						\
	X(nr_pcache_rmap_free, "owners freed")						\
	X(nr_token_taken, "times a thread took the progress token")			\
	X(nr_turn_waited, "faults that waited for their thread's turn")			\
	X(nr_fork_pages, "pages that fork gave another owner")

DECLARE_COUNTERS(PCACHE_COUNTERS)
extern struct counter_group pcache_counters;

#endif
