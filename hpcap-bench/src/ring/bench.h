/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The common parts of the measured loops: a NIC, a clock, and listeners that keep up.
 */
#ifndef _HPCAP_BENCH_H
#define _HPCAP_BENCH_H

#include <time.h>

#include <ring.h>

/* A descriptor of a NIC after its frame has arrived. */
struct bench_descriptor {
	const u8 *data;
	u16 length;
	u16 status;
	u32 reserved;
};

struct bench_nic {
	const struct bench_descriptor *descriptors;
	u32 count;	/* a power of two */
	u32 next;
};

/*
 * A clock that is cheap enough for a poll loop to read for each frame: time since 1970 as the
 * scaled counter of the processor, added to a base that is read anew for every batch. Without
 * such a counter (`scale` 0), clock_read() reads the system's clock.
 */
struct bench_clock {
	u64 scale;	/* ns per count, in units of 2^-32 */
	u64 counter;	/* its value at the base */
	u64 sec;
	u64 nsec;
};

static inline u64 clock_now(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (u64)now.tv_sec * HPCAP_NS_PER_S + (u64)now.tv_nsec;
}

#if defined(__x86_64__)
static inline u64 counter_now(void)
{
	return __builtin_ia32_rdtsc();
}
#else
static inline u64 counter_now(void)
{
	return 0;
}
#endif

static inline void clock_rebase(struct bench_clock *c)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	c->counter = counter_now();
	c->sec = (u64)now.tv_sec;
	c->nsec = (u64)now.tv_nsec;
}

/* Reads the time. The last clock_rebase() must be less than a second ago. */
static inline void clock_read(const struct bench_clock *c, u64 *sec, u32 *nsec)
{
	u64 counter, ns;

	if (!c->scale) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		*sec = (u64)now.tv_sec;
		*nsec = (u32)now.tv_nsec;
		return;
	}
	counter = counter_now();
	/* The counters of two processors may differ a little. */
	if (counter < c->counter)
		counter = c->counter;
	ns = c->nsec + (((counter - c->counter) * c->scale) >> 32);
	*sec = c->sec + (ns >= HPCAP_NS_PER_S);
	*nsec = (u32)(ns >= HPCAP_NS_PER_S ? ns - HPCAP_NS_PER_S : ns);
}

/* Takes the next frame from the NIC, without a time. */
static inline void take(struct bench_nic *nic, struct hpcap_frame *f)
{
	const struct bench_descriptor *d = &nic->descriptors[nic->next];

	nic->next = (nic->next + 1) & (nic->count - 1);
	f->data = d->data;
	f->caplen = d->length;
	f->len = d->length;
}

/* Makes each listener acknowledge everything that is published. */
static inline void acknowledge(struct hpcap_ring *r)
{
	u32 i, mask = r->slot_mask;

	for (; mask; mask &= mask - 1) {
		i = __builtin_ctz(mask);
		/* Pairs with the acquire of the producer, which may overwrite what was read. */
		smp_store_release(&r->slots[i].shared->read_off, r->published);
	}
}

#endif /* _HPCAP_BENCH_H */
