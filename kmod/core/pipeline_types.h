/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/* The state of a pipeline (pipeline.h). */
#ifndef _HPCAP_PIPELINE_TYPES_H
#define _HPCAP_PIPELINE_TYPES_H

#include "filter_types.h"

struct hpcap_dedup;
struct hpcap_frame;

struct hpcap_pipeline {
	/* The caller sets the stages between two batches, or while a batch is held. */
	const struct hpcap_insn *program;	/* NULL: every frame passes the filter */
	struct hpcap_dedup *dedup;		/* NULL: no frame is compared with others */
	u8 *marks;				/* one byte for each frame of a batch */

	/* The current batch. */
	struct hpcap_frame *frames;
	u32 n;			/* frames that passed the filters */
	u32 done;		/* of these, the frames that are in the ring or accounted for */
	u32 marked;		/* not 0: `marks` marks at least one duplicate */
};

#endif /* _HPCAP_PIPELINE_TYPES_H */
