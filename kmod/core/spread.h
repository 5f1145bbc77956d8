/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The times of frames that no clock has stamped. A NIC such as the 82599 does not say when a frame
 * arrived, only that it was there when the poll thread looked. All frames of a batch arrived after
 * the look before, the last of them shortly before this one. So the time between the two looks is
 * divided among the frames by the bytes that they take on the wire: on a busy link, that is when
 * they arrived, and on an idle link, it errs to either side, where the time of the look would
 * always be late. Times never go back from one batch to the next.
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
 * look, which all of them have. The last frame keeps it. No frame gets the time span_ns before,
 * which is that of the last frame of the look before.
 */
static inline void hpcap_spread(struct hpcap_frame *frames, u32 n, u64 span_ns)
{
	u64 left = 0, sec, per_byte;
	u32 i, nsec;

	if (n < 2)
		return;
	sec = frames[0].sec;
	nsec = frames[0].nsec;
	if (span_ns > HPCAP_SPREAD_MAX_NS)
		span_ns = HPCAP_SPREAD_MAX_NS;
	/* No time is before 1970. */
	if (!sec && span_ns > nsec)
		span_ns = nsec;
	for (i = 0; i < n; i++)
		left += frames[i].len + HPCAP_WIRE_BYTES;
	/* In 2^-32 ns. `left` times this is below 2^62, as span_ns is below 2^30. */
	per_byte = (span_ns << 32) / left;
	for (i = 0; i < n; i++) {
		u32 back;

		left -= frames[i].len + HPCAP_WIRE_BYTES;
		/* `back` is how long before the look the frame arrived: its followers' time. */
		back = (u32)(left * per_byte >> 32);
		if (back > nsec) {
			frames[i].sec = sec - 1;
			frames[i].nsec = nsec + 1000000000u - back;
		} else {
			frames[i].nsec = nsec - back;
		}
	}
}

#endif /* _HPCAP_SPREAD_H */
