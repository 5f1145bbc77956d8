// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The measured loops, which take frames from the descriptors of a NIC, stamp each of them, and
 * copy them into a ring (kmod/core/ring.h, as in the kernel module) or to plain memory.
 *
 * Both loops take the same frames with the same clock, so their difference is the cost of the
 * ring: record headers, files, blocks, listeners and the ledger.
 */
#include "bench.h"

/* Measures the nanoseconds per count, in units of 2^-32. Returns 0 if there is no counter. */
u64 hpcap_bench_clock_scale(void)
{
	u64 start_ns = clock_now(CLOCK_MONOTONIC), start = counter_now();
	u64 ns, counts;

	do {
		ns = clock_now(CLOCK_MONOTONIC) - start_ns;
		counts = counter_now() - start;
	} while (ns < 100u * 1000 * 1000);
	return counts ? (ns << 32) / counts : 0;
}

/* Takes n frames for a caller with its own ring, and stamps them with the time of the batch. */
void hpcap_bench_harvest(struct bench_nic *nic, struct bench_clock *c, struct hpcap_frame *f,
			 u32 n)
{
	u32 i;

	clock_rebase(c);
	for (i = 0; i < n; i++) {
		take(nic, &f[i]);
		f[i].sec = c->sec;
		f[i].nsec = (u32)c->nsec;
	}
}

/* The bare loop of timestamp and memcpy. Returns a value that depends on all timestamps. */
u64 hpcap_bench_bare(struct bench_nic *nic, struct bench_clock *c, u8 *to, u64 bytes, u64 frames,
		     u32 batch)
{
	struct hpcap_frame f;
	u64 at = 0, sum = 0;

	while (frames) {
		u32 i, n = frames < batch ? (u32)frames : batch;

		clock_rebase(c);
		for (i = 0; i < n; i++) {
			take(nic, &f);
			clock_read(c, &f.sec, &f.nsec);
			sum += f.sec ^ f.nsec;
			if (at + f.caplen > bytes)
				at = 0;
			memcpy(to + at, f.data, f.caplen);
			at += f.caplen;
		}
		frames -= n;
	}
	return sum;
}

/*
 * The poll loop of a driver, which stamps and pushes each frame and services the queue after each
 * batch. The listeners acknowledge after every `ack_bytes` of the stream. Returns the number of
 * frames that the ring took.
 */
u64 hpcap_bench_ring(struct hpcap_ring *r, struct bench_nic *nic, struct bench_clock *c,
		     u64 frames, u32 batch, u64 ack_bytes)
{
	u64 left = frames, acked = r->published;
	struct hpcap_frame f = {};

	while (left) {
		u32 i, n = left < batch ? (u32)left : batch;

		clock_rebase(c);
		for (i = 0; i < n; i++) {
			take(nic, &f);
			clock_read(c, &f.sec, &f.nsec);
			if (hpcap_ring_push(r, &f))
				return frames - left + i;
		}
		left -= n;
		hpcap_ring_service(r, clock_now(CLOCK_MONOTONIC),
				   c->sec * HPCAP_NS_PER_S + c->nsec);
		if (r->published - acked >= ack_bytes) {
			acked = r->published;
			acknowledge(r);
		}
	}
	return frames;
}
