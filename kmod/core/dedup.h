/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The duplicate filter. A switch that mirrors several ports delivers the same frame more than
 * once; this stage between a NIC and ring.h finds the copies. Like ring.h, it makes no kernel
 * calls, and one thread uses it.
 *
 * A frame is a duplicate when the window remembers a frame of the same length whose first
 * `compare_bytes` bytes are equal and that was last seen at most `age_ns` ago. With
 * HPCAP_DEDUP_AUTO, extent.h finds how many bytes distinguish the frame from others of its flow,
 * inside of tunnels too; a frame without such bytes is never a duplicate. The comparison leaves
 * out the fields that `ignore` names. With `renew`, the age of a frame counts from its last copy,
 * so that a copy is a duplicate as long as no two successive copies are more than `age_ns` apart.
 * Without `renew`, the age counts from the first copy.
 *
 * The window is a set-associative table: the hash of the compared bytes chooses a set of 16
 * ways, and a new frame replaces the frame of the set that was seen least recently. The window is
 * sure to know a frame while fewer than 16 others have come into its set. With uniformly
 * distributed hashes, a window of W frames has forgotten a frame after W/4 other frames with a
 * probability below 0.00001, and after W/2 with 0.008. The hash is our own, over exactly the bytes
 * that are compared: the NIC's hash is equal for all frames of a flow, which would compete for one
 * set, and is missing in frames without IP. Equal hashes alone never make a duplicate: the bytes
 * are compared.
 *
 * The first cache line of a set has 16 tags of 16 bits, and the order in which its ways were
 * seen; two other lines have the times. All sets of a window of usual size stay in the L2 cache.
 * The entries do not, and a frame of 60 bytes needs one cache line of them. All frames of a chunk
 * are hashed before the first lookup, so that the sets and entries can be prefetched.
 */
#ifndef _HPCAP_DEDUP_H
#define _HPCAP_DEDUP_H

#include "dedup_key.h"
#include "dedup_types.h"
#include "frame.h"

/* ------------------------------------------------------------------- settings */

static inline u32 hpcap_dedup_window(u32 frames)
{
	u32 window = HPCAP_DEDUP_WINDOW_MIN;

	while (window < frames && window < HPCAP_DEDUP_WINDOW_MAX)
		window *= 2;
	return window;
}

static inline u32 hpcap_dedup_entry_bytes(u32 compare_bytes)
{
	return (u32)(sizeof(struct hpcap_dedup_entry) + compare_bytes + HPCAP_DEDUP_ALIGN - 1) /
	       HPCAP_DEDUP_ALIGN * HPCAP_DEDUP_ALIGN;
}

static inline u32 hpcap_dedup_key_bytes(const struct hpcap_dedup_settings *s)
{
	return s->compare_bytes == HPCAP_DEDUP_AUTO ? HPCAP_DEDUP_AUTO_MAX : s->compare_bytes;
}

/* Returns the bytes of memory that these settings need, or 0 when a setting is out of range. */
static inline u64 hpcap_dedup_memory(const struct hpcap_dedup_settings *s)
{
	u64 window = hpcap_dedup_window(s->window);
	u32 entry_bytes = hpcap_dedup_entry_bytes(hpcap_dedup_key_bytes(s));

	if (!s->window || s->window > HPCAP_DEDUP_WINDOW_MAX ||
	    s->compare_bytes > HPCAP_DEDUP_BYTES_MAX ||
	    (s->ignore & ~(u32)HPCAP_IGNORE_ALL) ||
	    (s->action != HPCAP_DEDUP_DROP && s->action != HPCAP_DEDUP_MARK))
		return 0;
	return window / HPCAP_DEDUP_WAYS * sizeof(struct hpcap_dedup_set) +
	       (window + HPCAP_DEDUP_CHUNK) * entry_bytes +
	       HPCAP_DEDUP_CHUNK * sizeof(struct hpcap_dedup_look);
}

/* Forgets all frames. */
static inline void hpcap_dedup_reset(struct hpcap_dedup *d)
{
	u64 i;

	for (i = 0; i <= d->set_mask; i++) {
		memset(&d->sets[i], 0, sizeof(d->sets[i]));
		d->sets[i].order = 0xfedcba9876543210ull;
	}
}

/* Derives the two halves of the seed from one: the finalizer of MurmurHash3, by A. Appleby. */
static inline u64 hpcap_dedup_scramble(u64 x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	return x ^ (x >> 33);
}

/*
 * Initialises an empty window, and switches it on. `memory` has hpcap_dedup_memory() bytes, is
 * aligned to HPCAP_DEDUP_ALIGN, and may be uninitialised. `age_ns`, `renew`, `action` and
 * `enabled` may be set between two batches; the other settings change only by another init.
 *
 * Returns 0, or -EINVAL when a setting is out of range.
 */
static inline int hpcap_dedup_init(struct hpcap_dedup *d, const struct hpcap_dedup_settings *s,
				   void *memory)
{
	u64 window = hpcap_dedup_window(s->window);
	u64 sets = window / HPCAP_DEDUP_WAYS;

	if (!hpcap_dedup_memory(s))
		return -EINVAL;
	d->sets = memory;
	d->entries = (u8 *)memory + sets * sizeof(*d->sets);
	d->entry_bytes = hpcap_dedup_entry_bytes(hpcap_dedup_key_bytes(s));
	d->keys = d->entries + window * d->entry_bytes;
	d->look = (struct hpcap_dedup_look *)(d->keys + HPCAP_DEDUP_CHUNK * d->entry_bytes);
	d->set_mask = sets - 1;
	d->seed[0] = hpcap_dedup_scramble(s->seed + 0x9e3779b97f4a7c15ull);
	d->seed[1] = hpcap_dedup_scramble(d->seed[0] + 0x9e3779b97f4a7c15ull);
	d->age_ns = s->age_ns;
	d->compare_bytes = hpcap_dedup_key_bytes(s);
	d->automatic = s->compare_bytes == HPCAP_DEDUP_AUTO;
	d->link_type = s->link_type;
	d->renew = s->renew;
	d->ignore = s->ignore;
	d->action = s->action;
	d->enabled = 1;
	d->window = (u32)window;
	hpcap_dedup_reset(d);
	return 0;
}

/* ---------------------------------------------------------------------- lookup */

#define HPCAP_DEDUP_LANES	0x0001000100010001ull
#define HPCAP_DEDUP_NIBBLES	0x1111111111111111ull

/* Sets the set and the tag of a hash. The tag uses other bits than the number of the set. */
static inline void hpcap_dedup_place(struct hpcap_dedup *d, struct hpcap_dedup_look *look,
				     u64 hash)
{
	u64 tag = hash >> 48;

	look->set = &d->sets[hash & d->set_mask];
	/* Tag 0 means a free way, so a frame gets tag 1 instead. */
	look->tags = (tag + !tag) * HPCAP_DEDUP_LANES;
}

/* Chooses a way of the set, and its entry. */
static inline void hpcap_dedup_choose(struct hpcap_dedup *d, struct hpcap_dedup_look *look,
				      u32 way)
{
	u64 index = (u64)(look->set - d->sets) * HPCAP_DEDUP_WAYS + way;

	look->way = way;
	look->entry = (struct hpcap_dedup_entry *)(d->entries + index * d->entry_bytes);
}

/*
 * Returns the highest bit of each 16-bit lane that equals the tag. The lowest bit that is set is
 * right. A higher one can be wrong, because the subtraction borrows across lanes; the comparison
 * of the bytes finds that out.
 */
static inline u64 hpcap_dedup_lanes(u64 tags, u64 tags_wanted)
{
	u64 x = tags ^ tags_wanted;

	return (x - HPCAP_DEDUP_LANES) & ~x & (HPCAP_DEDUP_LANES << 15);
}

/* Returns the ways of the set that have the tag: of lane l and word w, bit l * 16 + 12 + w. */
static inline u64 hpcap_dedup_ways(const struct hpcap_dedup_look *look)
{
	const u64 *tags = look->set->tags;

	return hpcap_dedup_lanes(tags[0], look->tags) >> 3 |
	       hpcap_dedup_lanes(tags[1], look->tags) >> 2 |
	       hpcap_dedup_lanes(tags[2], look->tags) >> 1 |
	       hpcap_dedup_lanes(tags[3], look->tags);
}

static inline u32 hpcap_dedup_first_way(u64 ways)
{
	u32 bit = (u32)__builtin_ctzll(ways);

	return bit / 16 * 4 + bit % 4;
}

static inline u32 hpcap_dedup_oldest_way(u64 order)
{
	return (u32)(order >> 60);
}

/* Searches the set for the tag, and prefetches the entry that is most likely needed. */
static inline void hpcap_dedup_look_ahead(struct hpcap_dedup *d, struct hpcap_dedup_look *look)
{
	u64 order, ways, none;

	if (unlikely(!look->set))
		return;
	order = look->set->order;
	ways = hpcap_dedup_ways(look);
	/* Without a branch, which no processor could predict. */
	none = ways ? 0 : ~0ull;
	look->order = order;
	look->ways = ways;
	hpcap_dedup_choose(d, look, (u32)((hpcap_dedup_first_way(ways | 1ull << 63) & ~none) |
					  (hpcap_dedup_oldest_way(order) & none)));
	__builtin_prefetch(look->entry, 1);
	if (sizeof(struct hpcap_dedup_entry) + look->bytes > 64)
		__builtin_prefetch((const u8 *)look->entry + 64, 1);
	__builtin_prefetch(&look->set->ns[look->way], 1);
}

static inline int hpcap_dedup_is_in(const struct hpcap_dedup_look *look)
{
	return (look->entry->lengths == look->lengths) &
	       hpcap_dedup_same(look->entry->key, look->key, look->bytes);
}

/*
 * Repeats the search, because the set has changed since hpcap_dedup_look_ahead(), or because the
 * way that it chose has the tag of another frame. Compares each way that has the tag now.
 */
static inline void hpcap_dedup_look_again(struct hpcap_dedup *d, struct hpcap_dedup_look *look)
{
	u64 ways = hpcap_dedup_ways(look);

	for (; ways; ways &= ways - 1) {
		u32 way = hpcap_dedup_first_way(ways);

		/* Skips the lanes that hpcap_dedup_lanes() reported by mistake. */
		if ((look->set->tags[way % 4] >> (way / 4 * 16) & 0xffff) != (look->tags & 0xffff))
			continue;
		hpcap_dedup_choose(d, look, way);
		if (hpcap_dedup_is_in(look))
			break;
	}
	look->ways = ways;
	if (!ways)
		hpcap_dedup_choose(d, look, hpcap_dedup_oldest_way(look->set->order));
}

/* Moves a way to the front of the set's order. */
static inline void hpcap_dedup_touch(struct hpcap_dedup_set *set, u32 way)
{
	u64 x = set->order ^ (way * HPCAP_DEDUP_NIBBLES);
	u64 here = (x - HPCAP_DEDUP_NIBBLES) & ~x & (HPCAP_DEDUP_NIBBLES << 3);
	/* All bits from the lowest up to the four bits of the way. */
	u64 upto = here ^ (here - 1);

	set->order = (set->order & ~upto) | (((set->order << 4) | way) & upto);
}

/* Stores an unknown frame in place of the frame of its set that was seen least recently. */
static inline void hpcap_dedup_store(const struct hpcap_dedup_look *look, u64 ns)
{
	struct hpcap_dedup_set *set = look->set;
	u32 way = look->way;
	u64 lane = 0xffffull << (way / 4 * 16);
	u64 *tags = &set->tags[way % 4];

	*tags = (*tags & ~lane) | (look->tags & lane);
	set->order = set->order << 4 | way;
	set->ns[way] = ns;
	look->entry->lengths = look->lengths;
	hpcap_dedup_copy(look->entry->key, look->key, look->bytes);
}

/*
 * Returns whether the frame is a duplicate, and remembers it in either case. Time stamps can go
 * back when a clock is set. The age is the absolute difference, so that a frame from before the
 * clock was set back does not stay young for ever.
 */
static inline u32 hpcap_dedup_seen(struct hpcap_dedup *d, struct hpcap_dedup_look *look, u64 ns)
{
	struct hpcap_dedup_set *set = look->set;
	u32 young;
	u64 then;

	if (unlikely(!set))
		return 0;
	/* A frame that came into the set after the look ahead has changed the set's order. */
	if (unlikely(set->order != look->order) ||
	    (look->ways && unlikely(!hpcap_dedup_is_in(look))))
		hpcap_dedup_look_again(d, look);
	if (!look->ways) {
		hpcap_dedup_store(look, ns);
		return 0;
	}
	then = set->ns[look->way];
	young = (ns > then ? ns - then : then - ns) <= d->age_ns;
	if (d->renew || !young)
		set->ns[look->way] = ns;
	hpcap_dedup_touch(set, look->way);
	return young;
}

/* --------------------------------------------------------------------- batches */

static inline void hpcap_dedup_prepare(struct hpcap_dedup *d, const struct hpcap_frame *f, u32 n,
				       struct hpcap_dedup_look *look)
{
	u32 i, most;

	for (i = 0; i < n && i < HPCAP_DEDUP_DATA_AHEAD; i++)
		__builtin_prefetch(f[i].data);
	for (i = 0; i < n; i++) {
		/* Hashing one frame takes less time than a load from the L3 cache. */
		if (i + HPCAP_DEDUP_DATA_AHEAD < n)
			__builtin_prefetch(f[i + HPCAP_DEDUP_DATA_AHEAD].data);
		most = d->compare_bytes;
		if (d->automatic) {
			/* The inner headers of a tunnel are in the next cache line. */
			if (i + HPCAP_DEDUP_DATA_AHEAD < n)
				__builtin_prefetch(f[i + HPCAP_DEDUP_DATA_AHEAD].data + 64);
			most = hpcap_extent(f[i].data, f[i].caplen, f[i].len, d->link_type, most);
			look[i].set = NULL;
			if (!most)
				continue;
		}
		if (d->ignore) {
			hpcap_dedup_key(d, &f[i], most, d->keys + (u64)i * d->entry_bytes,
					&look[i]);
		} else {
			look[i].key = f[i].data;
			look[i].bytes = f[i].caplen < most ? f[i].caplen : most;
			look[i].lengths = hpcap_dedup_lengths(look[i].bytes, f[i].len);
		}
		hpcap_dedup_place(d, &look[i], hpcap_dedup_hash(d, &look[i]));
		__builtin_prefetch(look[i].set, 1);
	}
}

/*
 * Filters n frames, oldest first. HPCAP_DEDUP_DROP moves the frames that pass to the front. With
 * HPCAP_DEDUP_MARK all frames pass, and marks[i] is not 0 when frame i is a duplicate.
 * `duplicates` counts the duplicates found, dropped or marked; the caller accounts for dropped
 * ones as HPCAP_DUPLICATE. `marks` may be NULL with HPCAP_DEDUP_DROP, which only zeroes it.
 *
 * Returns the number of frames that pass.
 */
static inline u32 hpcap_dedup_batch(struct hpcap_dedup *d, struct hpcap_frame *f, u32 n,
				    u8 *marks, struct hpcap_count *duplicates)
{
	struct hpcap_dedup_look *look = d->look;
	u32 first, i, chunk, kept = 0;

	duplicates->frames = 0;
	duplicates->bytes = 0;
	if (marks)
		memset(marks, 0, n);
	if (!d->enabled)
		return n;
	for (first = 0; first < n; first += chunk) {
		chunk = n - first < HPCAP_DEDUP_CHUNK ? n - first : HPCAP_DEDUP_CHUNK;
		hpcap_dedup_prepare(d, f + first, chunk, look);
		for (i = 0; i < chunk && i < HPCAP_DEDUP_AHEAD; i++)
			hpcap_dedup_look_ahead(d, &look[i]);
		for (i = 0; i < chunk; i++) {
			const struct hpcap_frame *frame = &f[first + i];
			u64 ns = frame->sec * 1000000000ull + frame->nsec;
			u32 duplicate;

			if (i + HPCAP_DEDUP_AHEAD < chunk)
				hpcap_dedup_look_ahead(d, &look[i + HPCAP_DEDUP_AHEAD]);
			duplicate = hpcap_dedup_seen(d, &look[i], ns);
			duplicates->frames += duplicate;
			duplicates->bytes += (u64)frame->len * duplicate;
			if (d->action == HPCAP_DEDUP_MARK) {
				marks[kept++] = (u8)duplicate;
			} else {
				f[kept] = *frame;
				kept += !duplicate;
			}
		}
	}
	return kept;
}

#endif /* _HPCAP_DEDUP_H */
