/* SPDX-License-Identifier: MIT */
/*
 * The words everybody uses: integer types, sizes, alignment, bytes in a stated order.
 * Freestanding: stands on the compiler's own headers, on a node and on the host alike.
 */
#ifndef LIB_BASE_TYPES_H
#define LIB_BASE_TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef u64 paddr_t;		/* a physical address */

#define PAGE_SHIFT	12
#define PAGE_SIZE	4096UL
#define PAGE_MASK	(~(PAGE_SIZE - 1))

#define KIB(n)		((u64)(n) << 10)
#define MIB(n)		((u64)(n) << 20)
#define GIB(n)		((u64)(n) << 30)

#define NSEC_PER_USEC	1000ULL
#define NSEC_PER_MSEC	1000000ULL
#define NSEC_PER_SEC	1000000000ULL

#define __must_check	__attribute__((warn_unused_result))
#define __packed	__attribute__((packed))
#define __aligned(n)	__attribute__((aligned(n)))
#define __noreturn	__attribute__((noreturn))
#define __printf(f, a)	__attribute__((format(printf, f, a)))
#ifndef __unused
#define __unused	__attribute__((unused))
#endif
#ifndef __used
#define __used		__attribute__((used))
#endif
#define __section(s)	__attribute__((section(s)))
#undef __always_inline
#define __always_inline	inline __attribute__((always_inline))

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define barrier()	__asm__ volatile("" ::: "memory")

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a)	(((x) + ((a) - 1)) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a) - 1)) == 0)
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define page_aligned(x)	IS_ALIGNED(x, PAGE_SIZE)
#define page_down(x)	ALIGN_DOWN(x, PAGE_SIZE)
#define page_up(x)	ALIGN_UP(x, PAGE_SIZE)

#define MIN(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define MAX(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

#define STRINGIFY_(x)	#x
#define STRINGIFY(x)	STRINGIFY_(x)

/* IS_ENABLED(CONFIG_X): 1 when Kconfig chose y, else 0; usable in C expressions. */
#define IS_ENABLED_COMMA_1 0,
#define IS_ENABLED_SECOND(ignored, val, ...) val
#define IS_ENABLED__(arg1_or_junk) IS_ENABLED_SECOND(arg1_or_junk 1, 0, 0)
#define IS_ENABLED_(x)	IS_ENABLED__(IS_ENABLED_COMMA_##x)
#define IS_ENABLED(x)	IS_ENABLED_(x)

/*
 * Integers in a stated byte order are structs, so that one reaches C only through its get().
 * RPC bodies and ext4 use le*, network headers be*.
 */
typedef struct { u16 v; } __packed le16;
typedef struct { u32 v; } __packed le32;
typedef struct { u64 v; } __packed le64;
typedef struct { u16 v; } __packed be16;
typedef struct { u32 v; } __packed be32;
typedef struct { u64 v; } __packed be64;

static inline u16 le16_get(le16 x) { return x.v; }
static inline u32 le32_get(le32 x) { return x.v; }
static inline u64 le64_get(le64 x) { return x.v; }
static inline u16 be16_get(be16 x) { return __builtin_bswap16(x.v); }
static inline u32 be32_get(be32 x) { return __builtin_bswap32(x.v); }
static inline u64 be64_get(be64 x) { return __builtin_bswap64(x.v); }
static inline le16 le16_of(u16 v) { return (le16){ v }; }
static inline le32 le32_of(u32 v) { return (le32){ v }; }
static inline le64 le64_of(u64 v) { return (le64){ v }; }
static inline be16 be16_of(u16 v) { return (be16){ __builtin_bswap16(v) }; }
static inline be32 be32_of(u32 v) { return (be32){ __builtin_bswap32(v) }; }
static inline be64 be64_of(u64 v) { return (be64){ __builtin_bswap64(v) }; }
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "x86-64 only");

#endif
