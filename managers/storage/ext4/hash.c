/* SPDX-License-Identifier: MIT */
/*
 * Hashes of names in indexed directories: the old one, half of MD4, and TEA, each for names whose bytes are taken as
 * signed or as unsigned. `major` orders the index (its lowest bit is 0), `minor` tells names of one major apart.
 */
#include "managers/storage/ext4/impl.h"

enum { DX_LEGACY, DX_HALF_MD4, DX_TEA, DX_UNSIGNED };	/* version 3 to 5: 0 to 2 with unsigned bytes */

static u32 byte_of(const char *p, bool is_unsigned)
{
	return is_unsigned ? (u32)(u8)*p : (u32)(s32)(s8)*p;
}

/* n words of four bytes, the first byte highest; what the name does not fill is filled with its length. */
static void pack(const char *name, u32 len, u32 *words, u32 n, bool is_unsigned)
{
	u32 pad = len | len << 8, v, take = MIN(len, n * 4);

	pad |= pad << 16;
	for (u32 w = 0; w < n; w++) {
		v = pad;
		for (u32 i = 4 * w; i < 4 * w + 4 && i < take; i++)
			v = byte_of(name + i, is_unsigned) + (v << 8);
		words[w] = v;
	}
}

static u32 rotl(u32 v, unsigned by)
{
	return v << by | v >> (32 - by);
}

static u32 md4_f(u32 x, u32 y, u32 z) { return z ^ (x & (y ^ z)); }
static u32 md4_g(u32 x, u32 y, u32 z) { return (x & y) + ((x ^ y) & z); }
static u32 md4_h(u32 x, u32 y, u32 z) { return x ^ y ^ z; }

/* MD4 over eight words instead of sixteen: three rounds of eight steps. */
static void half_md4(u32 state[4], const u32 in[8])
{
	static const struct {
		u32 (*f)(u32 x, u32 y, u32 z);
		u32 add;
		u8 order[8], shift[4];
	} round[3] = {
		{ md4_f, 0, { 0, 1, 2, 3, 4, 5, 6, 7 }, { 3, 7, 11, 19 } },
		{ md4_g, 0x5a827999, { 1, 3, 5, 7, 0, 2, 4, 6 }, { 3, 5, 9, 13 } },
		{ md4_h, 0x6ed9eba1, { 3, 7, 2, 6, 1, 5, 0, 4 }, { 3, 9, 11, 15 } },
	};
	u32 v[4] = { state[0], state[1], state[2], state[3] };

	for (int r = 0; r < 3; r++) {
		for (int i = 0; i < 8; i++) {
			u32 *a = &v[(4 - i) & 3];
			u32 b = v[(5 - i) & 3], c = v[(6 - i) & 3], d = v[(7 - i) & 3];

			*a = rotl(*a + round[r].f(b, c, d) + in[round[r].order[i]] + round[r].add, round[r].shift[i & 3]);
		}
	}
	for (int i = 0; i < 4; i++)
		state[i] += v[i];
}

/* Sixteen rounds of the Tiny Encryption Algorithm with the name as the key. */
static void tea(u32 state[2], const u32 key[4])
{
	u32 x = state[0], y = state[1], sum = 0;

	for (int i = 0; i < 16; i++) {
		sum += 0x9e3779b9;
		x += ((y << 4) + key[0]) ^ (y + sum) ^ ((y >> 5) + key[1]);
		y += ((x << 4) + key[2]) ^ (x + sum) ^ ((x >> 5) + key[3]);
	}
	state[0] += x;
	state[1] += y;
}

static u32 legacy(const char *name, u32 len, bool is_unsigned)
{
	u32 h0 = 0x12a3fe2d, h1 = 0x37abe8f9;

	for (u32 i = 0; i < len; i++) {
		u32 h = h1 + (h0 ^ byte_of(name + i, is_unsigned) * 7152373u);

		if (h & 0x80000000)
			h -= 0x7fffffff;
		h1 = h0;
		h0 = h;
	}
	return h0 << 1;
}

int dx_hash_name(struct ext4 *fs, u32 version, const char *name, u32 len, struct dx_hash *h)
{
	u32 state[4] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 }, in[8];
	bool is_unsigned;

	if (version < DX_UNSIGNED)
		version += fs->hash_unsigned;
	if (version >= 2 * DX_UNSIGNED)
		return -EUCLEAN;
	is_unsigned = version >= DX_UNSIGNED;
	if ((fs->hash_seed[0] | fs->hash_seed[1] | fs->hash_seed[2] | fs->hash_seed[3]) != 0)
		memcpy(state, fs->hash_seed, sizeof(state));
	switch (version % DX_UNSIGNED) {
	case DX_LEGACY:
		*h = (struct dx_hash){ legacy(name, len, is_unsigned), 0 };
		break;
	case DX_HALF_MD4:
		for (u32 at = 0; at < len; at += 32) {
			pack(name + at, len - at, in, 8, is_unsigned);
			half_md4(state, in);
		}
		*h = (struct dx_hash){ state[1], state[2] };
		break;
	default:
		for (u32 at = 0; at < len; at += 16) {
			pack(name + at, len - at, in, 4, is_unsigned);
			tea(state, in);
		}
		*h = (struct dx_hash){ state[0], state[1] };
		break;
	}
	h->major &= ~1u;
	if (h->major == 0xfffffffe)	/* kept free: it means the end */
		h->major = 0xfffffffc;
	return 0;
}
