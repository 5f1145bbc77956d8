/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * Frames on their way from a NIC or a source into the ring: the stages between (filter.h,
 * dedup.h) take a batch, and leave in it what goes on.
 */
#ifndef _HPCAP_FRAME_H
#define _HPCAP_FRAME_H

#include "platform.h"
#include <hpcap.h>

/* A frame as a NIC or a source hands it over. */
struct hpcap_frame {
	const u8 *data;
	u64 sec;	/* since 1970; what 32 bits cannot hold is adjusted and counted */
	u32 nsec;
	u32 caplen;	/* bytes at data */
	u32 len;	/* bytes on the wire, without FCS */
	u32 hash;	/* of its flow, as the NIC computed it; 0: none */
};

/* Frames of one harvest, at most. */
#define HPCAP_BATCH	256

/*
 * What one look at a NIC brought. The frames lie in the NIC's buffers, which stay untouched
 * until they are released.
 */
struct hpcap_batch {
	u32 n;
	u32 reserved;
	struct hpcap_count errors;	/* received damaged, and not among the frames */
	struct hpcap_frame frames[HPCAP_BATCH];
};

#endif /* _HPCAP_FRAME_H */
