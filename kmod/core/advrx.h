/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * Frames out of a ring of advanced receive descriptors, as the 82599, the X540, the X550 and
 * their virtual functions write them (Intel 82599 datasheet 7.1.6, "Advanced Receive
 * Descriptors"; the X540 and X550 datasheets, same section).
 *
 * Descriptor i always points to slot i: the buffers are as many as the descriptors, never move
 * and are never exchanged. What the poll thread took out of a slot is in the ring of the queue
 * before the descriptor is armed again.
 *
 * A frame that is longer than a slot lies in several. The slots of a chunk follow each other
 * without a hole and all but the last of a frame are full, so the frame is contiguous as it
 * is, unless it goes on in another chunk: then it is gathered in the bounce buffer.
 *
 * No kernel calls: the drivers include this file, and userspace tests and measures it. Writing
 * the tail register is the caller's.
 */
#ifndef _HPCAP_ADVRX_H
#define _HPCAP_ADVRX_H

#include "frame.h"
#include "platform.h"

#ifdef __KERNEL__
#include <asm/byteorder.h>
#define hpcap_advrx_get(x)	le64_to_cpu(READ_ONCE(x))
#define hpcap_advrx_put(x, v)	WRITE_ONCE(x, cpu_to_le64(v))
/* What the device wrote before the status is read after it. */
#define hpcap_advrx_rmb()	dma_rmb()
#else
/* hpcap knows little-endian machines only; uapi/hpcap.h says so. */
#define hpcap_advrx_get(x)	READ_ONCE(x)
#define hpcap_advrx_put(x, v)	WRITE_ONCE(x, v)
#define hpcap_advrx_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)
#endif

/* Bytes of a slot; SRRCTL.BSIZEPACKET is in units of 1 KiB. */
#define HPCAP_ADVRX_SLOT_SHIFT	11
#define HPCAP_ADVRX_SLOT_BYTES	2048u
/* Slots of the longest frame: the MAC takes 15.5 KiB at most (MHADD.MFS and 8.2.3.22.8). */
#define HPCAP_ADVRX_CHAIN	8
/* Room for some frames that are not contiguous; more are left for the next harvest. */
#define HPCAP_ADVRX_BOUNCE	(4 * HPCAP_ADVRX_CHAIN * HPCAP_ADVRX_SLOT_BYTES)
/* Descriptors are given back to the NIC so many at a time: a register write costs. */
#define HPCAP_ADVRX_TAIL	64

/* A descriptor: `low` and `high` are read and written whole. */
struct hpcap_advrx_desc {
	__le64 low;	/* to the NIC: address; from it: RSS type and hash */
	__le64 high;	/* to the NIC: 0; from it: status, error, length */
};

/* Of `high`. */
#define HPCAP_ADVRX_DD		0x1ull		/* the NIC is done with it */
#define HPCAP_ADVRX_EOP		0x2ull		/* the last of its frame */
/*
 * CE, LE, PE, OSE, USE (RXE of the 82599): the frame is not what was on the wire. The errors of
 * checksums are the sender's, and such a frame arrived whole: IPE and L4E above them, and between
 * them OUTERIPER, which the X550 sets for the outer header of a tunnel.
 */
#define HPCAP_ADVRX_DAMAGED	0x3b000000ull
#define HPCAP_ADVRX_LENGTH(x)	((u32)((x) >> 32) & 0xffff)
/* Of `low`. */
#define HPCAP_ADVRX_RSS_TYPE	0xfull		/* 0: there is no hash */
#define HPCAP_ADVRX_HASH(x)	((u32)((x) >> 32))

/* A frame that was offered. */
struct hpcap_advrx_offer {
	u32 end;	/* position behind it, and behind the damaged ones that follow it */
	u32 bytes;	/* of the frames offered, up to this one */
};

/* Positions count descriptors since arming, modulo 2^32; `count` is a power of two. */
struct hpcap_advrx {
	struct hpcap_advrx_desc *ring;
	u8 *const *chunks;	/* where the slots are, (1 << chunk_shift) in each */
	const u64 *chunk_dma;	/* where the NIC sees them */
	u8 *bounce;		/* HPCAP_ADVRX_BOUNCE bytes */
	u32 count;
	u32 chunk_shift;
	u32 head;		/* the oldest descriptor that the NIC does not own */
	u32 given;		/* `head` when the tail was last told */
	u32 judged;		/* damaged frames before it were reported */
	u32 offered;
	struct hpcap_advrx_offer offers[HPCAP_BATCH];
};

static inline u32 hpcap_advrx_slot(const struct hpcap_advrx *rx, u32 at)
{
	return at & (rx->count - 1);
}

static inline u8 *hpcap_advrx_data(const struct hpcap_advrx *rx, u32 at)
{
	u32 slot = hpcap_advrx_slot(rx, at);
	u32 in_chunk = slot & ((1u << rx->chunk_shift) - 1);

	return rx->chunks[slot >> rx->chunk_shift] + ((u64)in_chunk << HPCAP_ADVRX_SLOT_SHIFT);
}

/*
 * Descriptors from `at` to `end` are for the NIC again, once it is told. (Copies of what does not
 * change, here and below: the compiler cannot know that a descriptor is none of it.)
 */
static inline void hpcap_advrx_rearm(struct hpcap_advrx *rx, u32 at, u32 end)
{
	struct hpcap_advrx_desc *ring = rx->ring;
	const u64 *chunk_dma = rx->chunk_dma;
	u32 mask = rx->count - 1, shift = rx->chunk_shift, in_chunk = (1u << shift) - 1;

	for (; at != end; at++) {
		u32 slot = at & mask;

		hpcap_advrx_put(ring[slot].low, chunk_dma[slot >> shift] +
				((u64)(slot & in_chunk) << HPCAP_ADVRX_SLOT_SHIFT));
		hpcap_advrx_put(ring[slot].high, 0);
	}
}

/* Everything is for the NIC. Returns the tail; its own descriptor is never used at that time. */
static inline u32 hpcap_advrx_arm(struct hpcap_advrx *rx)
{
	rx->head = 0;
	rx->given = 0;
	rx->judged = 0;
	rx->offered = 0;
	hpcap_advrx_rearm(rx, 0, rx->count);
	return rx->count - 1;
}

/* What the descriptors from a position on hold. */
enum hpcap_advrx_found {
	HPCAP_ADVRX_NOTHING,	/* no whole frame yet */
	HPCAP_ADVRX_FRAME,
	HPCAP_ADVRX_BAD,
};

/*
 * A frame that is not one good descriptor: several, or damaged. Sets the end and the length.
 *
 * A descriptor that is not the last of its frame must be full. One that is not ends a frame
 * of which the rest is missing; the next begins another, so that one lie of the NIC costs one
 * frame. A frame without an end, or longer than any can be, is waited for until its end is
 * there, or the ring is full of it.
 */
static inline enum hpcap_advrx_found
hpcap_advrx_chain(const struct hpcap_advrx *rx, u32 at, u32 limit, u32 *end, u32 *len)
{
	u32 from = at;

	for (*len = 0; at != limit; at++) {
		u64 high = hpcap_advrx_get(rx->ring[hpcap_advrx_slot(rx, at)].high);
		u32 bytes = HPCAP_ADVRX_LENGTH(high);

		if (!(high & HPCAP_ADVRX_DD))
			return HPCAP_ADVRX_NOTHING;
		hpcap_advrx_rmb();
		*end = at + 1;
		if (high & HPCAP_ADVRX_EOP) {
			if (high & HPCAP_ADVRX_DAMAGED || bytes - 1 >= HPCAP_ADVRX_SLOT_BYTES ||
			    at - from >= HPCAP_ADVRX_CHAIN)
				return HPCAP_ADVRX_BAD;
			*len += bytes;
			return HPCAP_ADVRX_FRAME;
		}
		if (bytes != HPCAP_ADVRX_SLOT_BYTES)
			return HPCAP_ADVRX_BAD;
		*len += bytes;
	}
	/* The last descriptors of the ring can wait for more only while there may be more. */
	return from == rx->head ? HPCAP_ADVRX_BAD : HPCAP_ADVRX_NOTHING;
}

/* The bytes of a chain in one place; NULL: no room in the bounce buffer any more. */
static inline const u8 *hpcap_advrx_gather(const struct hpcap_advrx *rx, u32 at, u32 end,
					   u32 len, u32 *bounced)
{
	u32 first = hpcap_advrx_slot(rx, at), last = hpcap_advrx_slot(rx, end - 1);
	u8 *to = rx->bounce + *bounced;
	u32 done;

	if (first <= last && first >> rx->chunk_shift == last >> rx->chunk_shift)
		return hpcap_advrx_data(rx, at);
	if (len > HPCAP_ADVRX_BOUNCE - *bounced)
		return NULL;
	for (done = 0; done < len; done += HPCAP_ADVRX_SLOT_BYTES) {
		u32 bytes = len - done;

		if (bytes > HPCAP_ADVRX_SLOT_BYTES)
			bytes = HPCAP_ADVRX_SLOT_BYTES;
		memcpy(to + done, hpcap_advrx_data(rx, at++), bytes);
	}
	*bounced += len;
	return to;
}

/*
 * A damaged frame ends at `end`, behind `found` good ones. It is reported once, however often
 * those are offered, and goes back to the NIC with the last of them, or at once.
 */
static inline void hpcap_advrx_refuse(struct hpcap_advrx *rx, struct hpcap_batch *batch, u32 found,
				      u32 end)
{
	if ((int)(end - rx->judged) > 0) {
		batch->errors.frames++;
		rx->judged = end;
	}
	if (found) {
		rx->offers[found - 1].end = end;
		return;
	}
	hpcap_advrx_rearm(rx, rx->head, end);
	rx->head = end;
}

/*
 * Fills the batch with up to n frames, oldest first, stamped with this time, and returns their
 * number. The next harvest finds the same frames again unless they were released.
 */
static inline u32 hpcap_advrx_harvest(struct hpcap_advrx *rx, struct hpcap_batch *batch, u32 n,
				      u64 sec, u32 nsec)
{
	const struct hpcap_advrx_desc *ring = rx->ring;
	u8 *const *chunks = rx->chunks;
	u32 mask = rx->count - 1, shift = rx->chunk_shift, in_chunk = (1u << shift) - 1;
	/* The NIC cannot have got further: the tail stops it. */
	u32 limit = rx->given + mask;
	u32 at = rx->head, found = 0, bounced = 0, bytes = 0;

	batch->errors.frames = 0;
	batch->errors.bytes = 0;
	if (n > HPCAP_BATCH)
		n = HPCAP_BATCH;
	/* Never far behind: only near each other can two positions be compared. */
	if ((int)(at - rx->judged) > 0)
		rx->judged = at;
	while (found < n && at != limit) {
		struct hpcap_frame *f = &batch->frames[found];
		u32 slot = at & mask, end = at + 1, len;
		u64 low, high = hpcap_advrx_get(ring[slot].high);
		const u8 *data;

		if (!(high & HPCAP_ADVRX_DD))
			break;
		hpcap_advrx_rmb();
		len = HPCAP_ADVRX_LENGTH(high);
		if (likely((high & (HPCAP_ADVRX_EOP | HPCAP_ADVRX_DAMAGED)) == HPCAP_ADVRX_EOP &&
			   len - 1 < HPCAP_ADVRX_SLOT_BYTES)) {
			data = chunks[slot >> shift] +
			       ((u64)(slot & in_chunk) << HPCAP_ADVRX_SLOT_SHIFT);
			/*
			 * Not fetched ahead: all slots begin in few sets of a cache, and what is
			 * fetched for a whole batch pushes itself out (10 ns a frame, not 7).
			 */
		} else {
			enum hpcap_advrx_found what;

			what = hpcap_advrx_chain(rx, at, limit, &end, &len);
			if (what == HPCAP_ADVRX_NOTHING)
				break;
			if (what == HPCAP_ADVRX_BAD) {
				hpcap_advrx_refuse(rx, batch, found, end);
				at = end;
				continue;
			}
			data = hpcap_advrx_gather(rx, at, end, len, &bounced);
			if (!data)
				break;
			/* The hash stands in the last descriptor. */
			slot = (end - 1) & mask;
		}
		low = hpcap_advrx_get(ring[slot].low);
		bytes += len;
		f->data = data;
		f->sec = sec;
		f->nsec = nsec;
		f->caplen = len;
		f->len = len;
		f->hash = low & HPCAP_ADVRX_RSS_TYPE ? HPCAP_ADVRX_HASH(low) : 0;
		rx->offers[found].end = end;
		rx->offers[found].bytes = bytes;
		found++;
		at = end;
	}
	rx->offered = found;
	return found;
}

/* No need to write the tail register. */
#define HPCAP_ADVRX_KEEP_TAIL	(~0u)

/*
 * The first n frames that were offered were used: their descriptors are armed again. Adds
 * their bytes, and returns what the tail register must be told, or HPCAP_ADVRX_KEEP_TAIL: few
 * at a time are not worth it. The caller orders the descriptors before the register.
 */
static inline u32 hpcap_advrx_release(struct hpcap_advrx *rx, u32 n, u64 *bytes)
{
	u32 step = rx->count / 4 < HPCAP_ADVRX_TAIL ? rx->count / 4 : HPCAP_ADVRX_TAIL;

	if (n > rx->offered)
		n = rx->offered;
	if (n) {
		const struct hpcap_advrx_offer *last = &rx->offers[n - 1];

		hpcap_advrx_rearm(rx, rx->head, last->end);
		rx->head = last->end;
		*bytes += last->bytes;
	}
	rx->offered = 0;
	if (rx->head - rx->given < step)
		return HPCAP_ADVRX_KEEP_TAIL;
	rx->given = rx->head;
	return hpcap_advrx_slot(rx, rx->head - 1);
}

#endif /* _HPCAP_ADVRX_H */
