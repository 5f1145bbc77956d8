/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The bytes of a frame that the duplicate filter (dedup.h) compares, and their hash.
 */
#ifndef _HPCAP_DEDUP_KEY_H
#define _HPCAP_DEDUP_KEY_H

#include "dedup_types.h"
#include "extent.h"
#include "frame.h"
#include "platform.h"

/* ----------------------------------------------------------------------- bytes */

static inline u64 hpcap_dedup_load(const u8 *p)
{
	u64 word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Loads n < 8 bytes as a word. */
static inline u64 hpcap_dedup_load_few(const u8 *p, u32 n)
{
	u64 word = 0;

	while (n--)
		word = word << 8 | p[n];
	return word;
}

/*
 * Copies 16 bytes at a time; the last step overlaps the one before. Keys are short, so the call
 * of a memcpy() of variable length would cost more than the copy.
 */
static inline void hpcap_dedup_copy(u8 *to, const u8 *from, u32 n)
{
	u32 i;

	if (n < 16) {
		for (i = 0; i < n; i++)
			to[i] = from[i];
		return;
	}
	for (i = 0; i + 16 < n; i += 16)
		memcpy(to + i, from + i, 16);
	memcpy(to + n - 16, from + n - 16, 16);
}

/* Returns 0 when the 16 bytes at `a` and at `b` are equal. */
static inline u64 hpcap_dedup_differ(const u8 *a, const u8 *b)
{
	return (hpcap_dedup_load(a) ^ hpcap_dedup_load(b)) |
	       (hpcap_dedup_load(a + 8) ^ hpcap_dedup_load(b + 8));
}

static inline int hpcap_dedup_same(const u8 *a, const u8 *b, u32 n)
{
	u64 differ = 0;
	u32 i;

	if (n < 16) {
		for (i = 0; i < n; i++)
			differ |= a[i] ^ b[i];
		return !differ;
	}
	for (i = 0; i + 16 < n; i += 16)
		differ |= hpcap_dedup_differ(a + i, b + i);
	return !(differ | hpcap_dedup_differ(a + n - 16, b + n - 16));
}

/* Folds the 128-bit product of a and b, in which each bit of both reaches all 64 result bits. */
static inline u64 hpcap_dedup_mix(u64 a, u64 b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (u64)product ^ (u64)(product >> 64);
}

/* ------------------------------------------------------------------------ keys */

/* Packs both lengths into one word. Frames of 1 MiB or more all count as equally long. */
static inline u32 hpcap_dedup_lengths(u32 bytes, u32 len)
{
	return bytes << 20 | (len < 0xfffff ? len : 0xfffff);
}

static inline u32 hpcap_dedup_type(const u8 *p)
{
	return (u32)p[0] << 8 | p[1];
}

/* IEEE 802.1Q is 0x8100, 802.1ad is 0x88a8; 0x9100 was used before 802.1ad. */
static inline int hpcap_dedup_is_vlan(u32 type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

/* Zeroes n bytes of a key of `bytes` bytes, from `at` on and not beyond its end. */
static inline void hpcap_dedup_blind(u8 *key, u32 bytes, u32 at, u32 n)
{
	for (; n && at < bytes; n--, at++)
		key[at] = 0;
}

/* Copies the first `most` bytes of a frame into `key`, without the ignored fields. */
static inline void hpcap_dedup_key(const struct hpcap_dedup *d, const struct hpcap_frame *f,
				   u32 most, u8 *key, struct hpcap_dedup_look *look)
{
	u32 type_at = 12, left_out = 0, type = 0, ip, bytes;

	while (type_at + 2 <= f->caplen) {
		type = hpcap_dedup_type(f->data + type_at);
		if (!hpcap_dedup_is_vlan(type) || type_at + 6 > f->caplen)
			break;
		type_at += 4;
	}
	if (d->ignore & HPCAP_IGNORE_VLAN)
		left_out = type_at - 12;
	bytes = f->caplen - left_out;
	/* AUTO counted the tags in `most`; a number in the settings is one without tags. */
	if (d->automatic)
		most -= left_out;
	if (bytes > most)
		bytes = most;
	if (bytes <= 12) {
		hpcap_dedup_copy(key, f->data, bytes);
	} else {
		hpcap_dedup_copy(key, f->data, 12);
		hpcap_dedup_copy(key + 12, f->data + 12 + left_out, bytes - 12);
	}
	if (d->ignore & HPCAP_IGNORE_MAC)
		hpcap_dedup_blind(key, bytes, 0, 12);
	/* RFC 791 3.1: TTL at 8, checksum at 10; RFC 8200 3: hop limit at 7 */
	ip = type_at + 2 - left_out;
	if ((d->ignore & HPCAP_IGNORE_TTL) && type == 0x0800)
		hpcap_dedup_blind(key, bytes, ip + 8, 1);
	if ((d->ignore & HPCAP_IGNORE_TTL) && type == 0x86dd)
		hpcap_dedup_blind(key, bytes, ip + 7, 1);
	if ((d->ignore & HPCAP_IGNORE_IP_SUM) && type == 0x0800)
		hpcap_dedup_blind(key, bytes, ip + 10, 2);
	look->key = key;
	look->bytes = bytes;
	look->lengths = hpcap_dedup_lengths(bytes, f->len - left_out);
}

/* Each multiplication takes 16 bytes. `even` and `odd` are independent, so two overlap. */
static inline u64 hpcap_dedup_hash(const struct hpcap_dedup *d, const struct hpcap_dedup_look *look)
{
	const u8 *key = look->key, *last;
	u32 i, n = look->bytes;
	u64 seed = d->seed[0], even = d->seed[1] ^ look->lengths, odd = ~seed;

	if (n < 8)
		return hpcap_dedup_mix(hpcap_dedup_load_few(key, n) ^ seed, even);
	last = key + n - 8;
	if (n < 32) {
		if (n > 16)
			even = hpcap_dedup_mix(hpcap_dedup_load(key) ^ seed,
					       hpcap_dedup_load(key + 8) ^ even);
		return hpcap_dedup_mix(hpcap_dedup_load(n > 16 ? last - 8 : key) ^ seed,
				       hpcap_dedup_load(last) ^ even);
	}
	for (i = 0; i + 32 < n; i += 32) {
		even = hpcap_dedup_mix(hpcap_dedup_load(key + i) ^ seed,
				       hpcap_dedup_load(key + i + 8) ^ even);
		odd = hpcap_dedup_mix(hpcap_dedup_load(key + i + 16) ^ seed,
				      hpcap_dedup_load(key + i + 24) ^ odd);
	}
	even = hpcap_dedup_mix(hpcap_dedup_load(last - 24) ^ seed,
			       hpcap_dedup_load(last - 16) ^ even);
	odd = hpcap_dedup_mix(hpcap_dedup_load(last - 8) ^ seed, hpcap_dedup_load(last) ^ odd);
	return even ^ odd;
}

#endif /* _HPCAP_DEDUP_KEY_H */
