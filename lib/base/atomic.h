/* SPDX-License-Identifier: MIT */
/*
 * Atomic words. A word that one place touches through these is touched through these everywhere
 * (lesson L13). Unless a name says otherwise, operations are sequentially consistent.
 */
#ifndef LIB_BASE_ATOMIC_H
#define LIB_BASE_ATOMIC_H

#include "lib/base/types.h"

typedef struct { int v; } atomic_t;
typedef struct { s64 v; } atomic64_t;

#define ATOMIC_INIT(i)	{ (i) }

/* generic over atomic_t and atomic64_t */
#define atomic_read(a)		__atomic_load_n(&(a)->v, __ATOMIC_RELAXED)
#define atomic_read_acquire(a)	__atomic_load_n(&(a)->v, __ATOMIC_ACQUIRE)
#define atomic_set(a, i)	__atomic_store_n(&(a)->v, (i), __ATOMIC_RELAXED)
#define atomic_set_release(a, i) __atomic_store_n(&(a)->v, (i), __ATOMIC_RELEASE)
#define atomic_add(a, i)	((void)__atomic_fetch_add(&(a)->v, (i), __ATOMIC_SEQ_CST))
#define atomic_sub(a, i)	((void)__atomic_fetch_sub(&(a)->v, (i), __ATOMIC_SEQ_CST))
#define atomic_inc(a)		atomic_add(a, 1)
#define atomic_dec(a)		atomic_sub(a, 1)
#define atomic_add_return(a, i)	__atomic_add_fetch(&(a)->v, (i), __ATOMIC_SEQ_CST)
#define atomic_sub_return(a, i)	__atomic_sub_fetch(&(a)->v, (i), __ATOMIC_SEQ_CST)
#define atomic_inc_return(a)	atomic_add_return(a, 1)
#define atomic_dec_and_test(a)	(atomic_sub_return(a, 1) == 0)
#define atomic_xchg(a, i)	__atomic_exchange_n(&(a)->v, (i), __ATOMIC_SEQ_CST)
/* true when *a was old and now is new */
#define atomic_cmpxchg(a, old, new) ({						\
	__typeof__((a)->v) expected_ = (old);					\
	__atomic_compare_exchange_n(&(a)->v, &expected_, (new), false,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); })

/* plain words read or written once, without tearing or refetching */
#ifdef __SANITIZE_THREAD__	/* it takes a volatile access for a plain one */
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, val)	__atomic_store_n(&(x), (val), __ATOMIC_RELAXED)
#else
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, val)	(*(volatile __typeof__(x) *)&(x) = (val))
#endif
#define load_acquire(p)		__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, val)	__atomic_store_n((p), (val), __ATOMIC_RELEASE)
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)

/* bits of an unsigned long array, atomically */
#define BITS_PER_LONG 64
static inline bool bit_test(const unsigned long *map, unsigned nr)
{
	return (READ_ONCE(map[nr / BITS_PER_LONG]) >> (nr % BITS_PER_LONG)) & 1;
}
static inline bool bit_test_and_set(unsigned long *map, unsigned nr)
{
	unsigned long m = 1UL << (nr % BITS_PER_LONG);
	return __atomic_fetch_or(&map[nr / BITS_PER_LONG], m, __ATOMIC_SEQ_CST) & m;
}
static inline bool bit_test_and_clear(unsigned long *map, unsigned nr)
{
	unsigned long m = 1UL << (nr % BITS_PER_LONG);
	return __atomic_fetch_and(&map[nr / BITS_PER_LONG], ~m, __ATOMIC_SEQ_CST) & m;
}

/* reference counts: never resurrected, never below zero (debug builds check) */
typedef struct { atomic_t n; } refcount_t;
static inline void ref_init(refcount_t *r, int n) { atomic_set(&r->n, n); }
static inline void ref_get(refcount_t *r) { atomic_inc(&r->n); }
static inline bool __must_check ref_put(refcount_t *r) { return atomic_dec_and_test(&r->n); }	/* true: it was the last */
static inline int ref_read(refcount_t *r) { return atomic_read(&r->n); }
static inline bool __must_check ref_get_not_zero(refcount_t *r)
{
	int n = atomic_read(&r->n);

	while (n > 0) {
		if (__atomic_compare_exchange_n(&r->n.v, &n, n + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

#endif
