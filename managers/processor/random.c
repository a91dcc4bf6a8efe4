/* SPDX-License-Identifier: MIT */
/* See random.h. Each request is served by one key stream whose first 32 bytes become the next key: what was given out cannot be
 * computed back from a later state. */
#include "managers/processor/random.h"

#include "arch/x86/platform.h"
#include "kernel/time.h"
#include "lib/base/lock.h"
#include "lib/base/string.h"

static DEFINE_SPINLOCK(random_lock, RANK_LEAF);
static u32 key[8];		/* [random_lock] */
static u64 nonce;		/* [random_lock] */

static u32 rotl(u32 v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static void quarter(u32 *x, unsigned a, unsigned b, unsigned c, unsigned d)
{
	x[a] += x[b]; x[d] = rotl(x[d] ^ x[a], 16);
	x[c] += x[d]; x[b] = rotl(x[b] ^ x[c], 12);
	x[a] += x[b]; x[d] = rotl(x[d] ^ x[a], 8);
	x[c] += x[d]; x[b] = rotl(x[b] ^ x[c], 7);
}

/* RFC 8439, section 2.3: the 20 rounds over a state */
static void chacha_rounds(const u32 s[16], u32 out[16])
{
	memcpy(out, s, 16 * sizeof(*s));
	for (unsigned i = 0; i < 10; i++) {
		quarter(out, 0, 4, 8, 12);
		quarter(out, 1, 5, 9, 13);
		quarter(out, 2, 6, 10, 14);
		quarter(out, 3, 7, 11, 15);
		quarter(out, 0, 5, 10, 15);
		quarter(out, 1, 6, 11, 12);
		quarter(out, 2, 7, 8, 13);
		quarter(out, 3, 4, 9, 14);
	}
	for (unsigned i = 0; i < 16; i++)
		out[i] += s[i];
}

static void chacha_block(const u32 k[8], u32 counter, u64 n, u32 out[16])
{
	const u32 s[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7],
			    counter, 0, (u32)n, (u32)(n >> 32) };

	chacha_rounds(s, out);
}

static void stir_locked(void)
{
	for (unsigned i = 0; i < 8; i++)
		key[i] ^= (u32)arch_random();
	key[0] ^= (u32)time_mono_ns();
}

void random_init(void)
{
	spin_lock(&random_lock);
	for (unsigned i = 0; i < 4; i++)
		stir_locked();
	spin_unlock(&random_lock);
}

void random_bytes(void *buf, size_t n)
{
	u32 stream[16], mine[8];
	u8 *out = buf;
	u64 number;

	spin_lock(&random_lock);
	if ((++nonce & 1023) == 0)
		stir_locked();
	number = nonce;
	chacha_block(key, 0, number, stream);
	memcpy(key, stream, sizeof(key));
	memcpy(mine, stream + 8, sizeof(mine));
	spin_unlock(&random_lock);
	for (u32 counter = 1; n != 0; counter++) {
		size_t part = MIN(n, sizeof(stream));

		chacha_block(mine, counter, number, stream);
		memcpy(out, stream, part);
		out += part;
		n -= part;
	}
	memset(stream, 0, sizeof(stream));
	memset(mine, 0, sizeof(mine));
}
