/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * Frames on their way from a NIC or a source into the ring. The stages between the two (filter.h,
 * dedup.h) take a batch of frames and keep those that pass.
 */
#ifndef _HPCAP_FRAME_H
#define _HPCAP_FRAME_H

#include "platform.h"
#include <hpcap.h>

/* A frame as a NIC or a source hands it over. */
struct hpcap_frame {
	const u8 *data;
	u64 sec;	/* since 1970; a time that 32 bits cannot hold is adjusted and counted */
	u32 nsec;
	u32 caplen;	/* captured bytes, at `data` */
	u32 len;	/* bytes on the wire, without FCS */
	u32 hash;	/* hash of the frame's flow, computed by the NIC; 0: none */
	u32 flags;	/* enum hpcap_frame_flags */
	u32 unused;	/* makes the size a multiple of 8 */
};

enum hpcap_frame_flags {
	HPCAP_FRAME_SENT	= 1 << 0,	/* this machine sent the frame */
};

/* The most frames of one harvest. */
#define HPCAP_BATCH	256

/*
 * The frames of one harvest. Their bytes lie in the NIC's buffers, which the NIC does not touch
 * before the batch is released.
 */
struct hpcap_batch {
	struct hpcap_count errors;	/* damaged frames, which are not among `frames` */
	u64 bytes;			/* of all `frames`; not set by drivers with own_times */
	struct hpcap_frame frames[HPCAP_BATCH];
};

#endif /* _HPCAP_FRAME_H */
