// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The poll loop of a port in hpcap mode (kmod/core/advrx.h), and a bare loop beside it. Both also
 * do the NIC's work: they write each descriptor back before it is harvested, and the measured
 * time includes that.
 */
#include <advrx.h>
#include <spread.h>

#include "../bench.h"

/* Acts as the NIC: writes back n descriptors of good frames of `len` bytes, with a hash. */
static inline void write_back(struct hpcap_advrx *rx, u32 at, u32 n, u32 len)
{
	u64 high = HPCAP_ADVRX_DD | HPCAP_ADVRX_EOP | (u64)len << 32;

	for (; n; n--, at++) {
		struct hpcap_advrx_desc *desc = &rx->ring[hpcap_advrx_slot(rx, at)];

		hpcap_advrx_put(desc->low, (u64)(at * 0x9e3779b1u) << 32 | 1);
		hpcap_advrx_put(desc->high, high);
	}
}

/*
 * The poll loop of a port in hpcap mode: harvest, push, release, service. One lossless listener
 * acknowledges all frames after each batch. Returns the number of frames that the ring took.
 */
u64 hpcap_bench_advrx_ring(struct hpcap_advrx *rx, struct hpcap_ring *r, u64 frames, u32 batch,
			   u32 len)
{
	static __thread struct hpcap_batch b;
	u64 left = frames, bytes = 0, before = 0;

	while (left) {
		u32 i, n = left < batch ? (u32)left : batch;
		u64 now = clock_now(CLOCK_REALTIME);

		write_back(rx, rx->head, n, len);
		n = hpcap_advrx_harvest(rx, &b, n, now / HPCAP_NS_PER_S, now % HPCAP_NS_PER_S);
		if (before)
			hpcap_spread(b.frames, n, b.bytes, now - before);
		before = now;
		for (i = 0; i < n; i++)
			if (hpcap_ring_push(r, &b.frames[i]))
				return frames - left + i;
		hpcap_advrx_release(rx, n, &bytes);
		left -= n;
		hpcap_ring_service(r, clock_now(CLOCK_MONOTONIC), now);
		acknowledge(r);
	}
	return frames;
}

/*
 * The bare loop reads the descriptor, copies the frame and arms the descriptor again. Returns a
 * value that depends on the loop's work, so that the compiler cannot leave it out.
 */
u64 hpcap_bench_advrx_bare(struct hpcap_advrx *rx, u8 *to, u64 room, u64 frames, u32 batch,
			   u32 len)
{
	u64 at = 0, sum = 0;

	while (frames) {
		u32 i, n = frames < batch ? (u32)frames : batch;

		sum += clock_now(CLOCK_REALTIME);
		write_back(rx, rx->head, n, len);
		for (i = 0; i < n; i++) {
			u64 high = hpcap_advrx_get(rx->ring[hpcap_advrx_slot(rx, rx->head)].high);
			u32 bytes = HPCAP_ADVRX_LENGTH(high);

			if (!(high & HPCAP_ADVRX_DD))
				break;
			hpcap_advrx_rmb();
			if (at + bytes > room)
				at = 0;
			memcpy(to + at, hpcap_advrx_data(rx, rx->head), bytes);
			at += bytes;
			hpcap_advrx_rearm(rx, rx->head, rx->head + 1);
			rx->head++;
		}
		frames -= n;
	}
	return sum + at;
}
