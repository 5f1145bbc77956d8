// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The poll loop with removal of duplicates (kmod/core/dedup.h) in it, or without, as the
 * engine and the kernel module have it: a batch is harvested and stamped, sifted, pushed.
 */
#include <dedup.h>

#include "bench.h"

/* Numbers frames, so that each is new, or a copy of one of the last 64. */
struct bench_traffic {
	u64 next;	/* number of the next new frame */
	u64 first;	/* of this run: what is older may be too old */
	u64 random;	/* state; not 0 */
	u64 copies;	/* copies so far */
	u32 half;	/* half of the frames, at random, are copies; otherwise none */
	u32 reserved;
};

/* Where the number stands in a frame: in what is compared, on an aligned place. */
#define NUMBER_AT	40

static inline u64 random_next(struct bench_traffic *t)
{
	/* xorshift64: G. Marsaglia, "Xorshift RNGs", 2003 */
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random;
}

static inline u64 number_next(struct bench_traffic *t)
{
	u64 random = random_next(t);
	u64 copy = t->half & (t->next - t->first >= 64) & (random >> 63);
	u64 number = copy ? t->next - 1 - (random & 63) : t->next;

	/* Without a branch: it would be guessed wrong every other time. */
	t->next += !copy;
	t->copies += copy;
	return number;
}

static inline void harvest(struct bench_nic *nic, struct bench_clock *c, struct bench_traffic *t,
			   struct hpcap_frame *f, u32 n)
{
	u32 i;

	clock_rebase(c);
	for (i = 0; i < n; i++) {
		u64 number = number_next(t);

		__builtin_prefetch(nic->descriptors[(nic->next + 16) & (nic->count - 1)].data, 1);
		take(nic, &f[i]);
		/* The NIC's part of the work: the buffers are ours. */
		memcpy((u8 *)f[i].data + NUMBER_AT, &number, sizeof(number));
		clock_read(c, &f[i].sec, &f[i].nsec);
	}
}

/*
 * `d` is NULL where duplicates are not looked for. Returns the frames that were taken or
 * removed; `removed` gets the latter.
 */
u64 hpcap_bench_dedup(struct hpcap_ring *r, struct hpcap_dedup *d, struct bench_nic *nic,
		      struct bench_clock *c, struct bench_traffic *t, u64 frames, u32 batch,
		      u64 *removed)
{
	struct hpcap_frame f[HPCAP_BATCH] = {};
	u64 left = frames;

	*removed = 0;
	t->first = t->next;
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

unsigned long hpcap_bench_dedup_size(void)
{
	return sizeof(struct hpcap_dedup);
}

u64 hpcap_bench_dedup_memory(const struct hpcap_dedup_settings *s)
{
	return hpcap_dedup_memory(s);
}

int hpcap_bench_dedup_init(struct hpcap_dedup *d, const struct hpcap_dedup_settings *s,
			   void *memory)
{
	return hpcap_dedup_init(d, s, memory);
}
