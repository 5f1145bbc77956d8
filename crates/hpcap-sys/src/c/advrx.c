// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * kmod/core/advrx.h as functions that Rust can call.
 */
#include <advrx.h>

unsigned long hpcap_sys_advrx_size(void)
{
	return sizeof(struct hpcap_advrx);
}

unsigned long hpcap_sys_advrx_bounce_bytes(void)
{
	return HPCAP_ADVRX_BOUNCE;
}

/* The pointers must outlive `rx`. Returns the first value of the tail register. */
u32 hpcap_sys_advrx_start(struct hpcap_advrx *rx, struct hpcap_advrx_desc *ring, u32 count,
			  u8 *const *chunks, const u64 *chunk_dma, u32 chunk_shift, u8 *bounce)
{
	rx->ring = ring;
	rx->count = count;
	rx->chunks = chunks;
	rx->chunk_dma = chunk_dma;
	rx->chunk_shift = chunk_shift;
	rx->bounce = bounce;
	return hpcap_advrx_arm(rx);
}

/* `frames` has room for n frames (at most HPCAP_BATCH). Returns the number of frames. */
u32 hpcap_sys_advrx_harvest(struct hpcap_advrx *rx, struct hpcap_frame *frames, u32 n, u64 sec,
			    u32 nsec, u64 *errors)
{
	struct hpcap_batch batch;

	n = hpcap_advrx_harvest(rx, &batch, n, sec, nsec);
	memcpy(frames, batch.frames, n * sizeof(*frames));
	*errors = batch.errors.frames;
	return n;
}

u32 hpcap_sys_advrx_release(struct hpcap_advrx *rx, u32 n, u64 *bytes)
{
	return hpcap_advrx_release(rx, n, bytes);
}

/* Advances an idle ring by `descriptors`, which must be a multiple of the ring's size. */
void hpcap_sys_advrx_skip(struct hpcap_advrx *rx, u32 descriptors)
{
	rx->head += descriptors;
	rx->given += descriptors;
}
