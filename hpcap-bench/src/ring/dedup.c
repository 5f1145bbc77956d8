// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The poll loop with or without the duplicate filter (kmod/core/dedup.h). As in the engine and
 * the kernel module, each batch is harvested and stamped, filtered, and pushed.
 */
#include <dedup.h>

#include "bench.h"

/* Gives each frame a number: a new one, or that of one of the last 64 frames. */
struct bench_traffic {
	u64 next;	/* number of the next new frame */
	u64 first;	/* number of this run's first frame; older ones may be too old */
	u64 random;	/* state of the generator; never 0 */
	u64 copies;	/* number of copies so far */
	u32 half;	/* not 0: a random half of the frames are copies; 0: none */
	u32 reserved;
	u8 *is_copy;	/* one byte for each descriptor */
};

/* Offset of the number in a frame: aligned, and among the bytes that are compared. */
#define NUMBER_AT	40

static inline u64 random_next(struct bench_traffic *t)
{
	/* xorshift64: G. Marsaglia, "Xorshift RNGs", 2003 */
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random;
}

/* Returns the number of the next frame, and in `copy` whether an earlier frame had it. */
static inline u64 number_next(struct bench_traffic *t, u64 *copy)
{
	u64 random;

	*copy = 0;
	if (!t->half)
		return t->next++;
	random = random_next(t);
	/* There is no branch here, because half of its predictions would be wrong. */
	*copy = (t->next - t->first >= 64) & (random >> 63);
	t->next += !*copy;
	return *copy ? t->next - 1 - (random & 63) : t->next - 1;
}

/*
 * Acts as the NIC: writes the frame that is taken after the next `ahead` ones. Frames arrive long
 * before they are taken, because a NIC's writes do not leave frames in the L1 cache either.
 */
static inline void arrive(struct bench_nic *nic, struct bench_traffic *t, u32 ahead)
{
	u32 at = (nic->next + ahead) & (nic->count - 1);
	u64 copy, number = number_next(t, &copy);

	memcpy((u8 *)nic->descriptors[at].data + NUMBER_AT, &number, sizeof(number));
	t->is_copy[at] = (u8)copy;
}

static inline void harvest(struct bench_nic *nic, struct bench_clock *c, struct bench_traffic *t,
			   struct hpcap_frame *f, u32 n)
{
	u32 i;

	clock_rebase(c);
	for (i = 0; i < n; i++) {
		arrive(nic, t, nic->count / 2);
		t->copies += t->is_copy[nic->next];
		take(nic, &f[i]);
		clock_read(c, &f[i].sec, &f[i].nsec);
	}
}

/*
 * Runs the loop, without the filter if `d` is NULL. Returns the number of frames that were pushed
 * or removed, and in `removed` the number of those that were removed.
 */
u64 hpcap_bench_dedup(struct hpcap_ring *r, struct hpcap_dedup *d, struct bench_nic *nic,
		      struct bench_clock *c, struct bench_traffic *t, u64 frames, u32 batch,
		      u64 *removed)
{
	struct hpcap_frame f[HPCAP_BATCH] = {};
	u64 left = frames;
	u32 i;

	*removed = 0;
	t->first = t->next;
	for (i = 0; i < nic->count / 2; i++)
		arrive(nic, t, i);
	while (left) {
		u32 n = left < batch ? (u32)left : batch, kept;
		struct hpcap_count duplicates = {};

		harvest(nic, c, t, f, n);
		kept = d ? hpcap_dedup_batch(d, f, n, NULL, &duplicates) : n;
		if (duplicates.frames)
			hpcap_ring_account(r, HPCAP_DUPLICATE, duplicates.frames,
					   duplicates.bytes);
		*removed += duplicates.frames;
		if (hpcap_ring_push_batch(r, f, kept) < kept)
			break;
		left -= n;
		hpcap_ring_service(r, clock_now(CLOCK_MONOTONIC),
				   c->sec * HPCAP_NS_PER_S + c->nsec);
		acknowledge(r);
	}
	return frames - left;
}
