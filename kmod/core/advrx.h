/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * Takes frames out of a ring of advanced receive descriptors, as the 82599, the X540, the X550 and
 * their virtual functions write them (Intel 82599 datasheet 7.1.6, "Advanced Receive
 * Descriptors"; the X540 and X550 datasheets, same section).
 *
 * Descriptor i always points to slot i: there is one buffer for each descriptor, and the buffers
 * never move. A descriptor is armed again only after the poll thread has copied its frame into the
 * ring of the queue, or has dropped it.
 *
 * A frame that is longer than a slot lies in several slots. The slots of a chunk are adjacent, and
 * all slots of a frame but its last are full, so the frame is contiguous. Only a frame that goes
 * on in another chunk is not; it is copied into the bounce buffer.
 *
 * This file makes no kernel calls: the drivers include it, and userspace programs test and measure
 * it. The caller writes the tail register.
 */
#ifndef _HPCAP_ADVRX_H
#define _HPCAP_ADVRX_H

#include "frame.h"
#include "platform.h"

#ifdef __KERNEL__
#include <asm/byteorder.h>
#define hpcap_advrx_get(x)	le64_to_cpu(READ_ONCE(x))
#define hpcap_advrx_put(x, v)	WRITE_ONCE(x, cpu_to_le64(v))
/* Reads the rest of a descriptor only after its status. */
#define hpcap_advrx_rmb()	dma_rmb()
#else
/* hpcap supports only little-endian machines (uapi/hpcap.h), so nothing is swapped. */
#define hpcap_advrx_get(x)	READ_ONCE(x)
#define hpcap_advrx_put(x, v)	WRITE_ONCE(x, v)
#define hpcap_advrx_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)
#endif

/* Bytes of a slot; SRRCTL.BSIZEPACKET is in units of 1 KiB. */
#define HPCAP_ADVRX_SLOT_SHIFT	11
#define HPCAP_ADVRX_SLOT_BYTES	2048u
/* Slots of the longest frame: the MAC accepts at most 15.5 KiB (MHADD.MFS and 8.2.3.22.8). */
#define HPCAP_ADVRX_CHAIN	8
/* Room for four longest frames that are not contiguous; others wait for the next harvest. */
#define HPCAP_ADVRX_BOUNCE	(4 * HPCAP_ADVRX_CHAIN * HPCAP_ADVRX_SLOT_BYTES)
/* Least number of descriptors to give back at a time, because a register write is slow. */
#define HPCAP_ADVRX_TAIL	64

/* A descriptor. `low` and `high` are each read and written in one access. */
struct hpcap_advrx_desc {
	__le64 low;	/* to the NIC: address; from the NIC: RSS type and hash */
	__le64 high;	/* to the NIC: 0; from the NIC: status, error, length */
};

/* Bits of `high`. */
#define HPCAP_ADVRX_DD		0x1ull		/* the NIC has written the descriptor */
#define HPCAP_ADVRX_EOP		0x2ull		/* the last descriptor of its frame */
/*
 * CE, LE, PE, OSE, USE (RXE of the 82599): the frame differs from what was on the wire. The error
 * bits of checksums do not count as damage, because the frame arrived as it was sent: IPE and L4E
 * above them, and between them OUTERIPER, which the X550 sets for the outer header of a tunnel.
 */
#ifndef HPCAP_ADVRX_DAMAGED	/* kmod/igb/Kbuild: an 82576 has these bits in other places */
#define HPCAP_ADVRX_DAMAGED	0x3b000000ull
#endif
#define HPCAP_ADVRX_LENGTH(x)	((u32)((x) >> 32) & 0xffff)
/* Fields of `low`. */
#define HPCAP_ADVRX_RSS_TYPE	0xfull		/* 0: there is no hash */
#define HPCAP_ADVRX_HASH(x)	((u32)((x) >> 32))

/* A frame that the last harvest returned. */
struct hpcap_advrx_offer {
	u32 end;	/* position behind the frame and behind the damaged frames that follow */
	u32 bytes;	/* bytes of the harvest's frames, up to and including this one */
};

/* Positions count descriptors since arming, modulo 2^32; `count` is a power of two. */
struct hpcap_advrx {
	struct hpcap_advrx_desc *ring;
	u8 *const *chunks;	/* addresses of the chunks, with 1 << chunk_shift slots each */
	const u64 *chunk_dma;	/* addresses of the chunks for the NIC */
	u8 *bounce;		/* HPCAP_ADVRX_BOUNCE bytes */
	u32 count;		/* number of descriptors */
	u32 chunk_shift;
	u32 head;		/* descriptors before this position were armed again */
	u32 given;		/* `head` when the tail register was last written */
	u32 judged;		/* damaged frames before this position were reported */
	u32 offered;		/* number of valid `offers` */
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
 * Arms the descriptors from `at` to `end` again; the NIC uses them after a write to the tail
 * register. The local copies, here and below, save loads: the compiler cannot know that a write to
 * a descriptor does not change the fields of `rx`.
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

/*
 * Arms all descriptors. Returns the value for the tail register; the NIC does not use the
 * descriptor that the tail points to.
 */
static inline u32 hpcap_advrx_arm(struct hpcap_advrx *rx)
{
	rx->head = 0;
	rx->given = 0;
	rx->judged = 0;
	rx->offered = 0;
	hpcap_advrx_rearm(rx, 0, rx->count);
	return rx->count - 1;
}

/* What hpcap_advrx_chain() finds in the descriptors from a position on. */
enum hpcap_advrx_found {
	HPCAP_ADVRX_NOTHING,	/* no complete frame yet */
	HPCAP_ADVRX_FRAME,
	HPCAP_ADVRX_BAD,	/* a damaged frame */
};

/*
 * Parses a frame that has several descriptors or is damaged. Sets its end and its length.
 *
 * A descriptor that is not the last of its frame must be full. A descriptor that breaks this rule
 * ends a damaged frame, and the next one starts another frame, so that a wrong descriptor costs
 * only one frame. The function waits for the end of a frame even when the frame is longer than any
 * can be, until the end is there or the frame fills the ring.
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
	/* A frame that starts at the head fills the whole ring, so its end cannot come. */
	return from == rx->head ? HPCAP_ADVRX_BAD : HPCAP_ADVRX_NOTHING;
}

/*
 * Returns the contiguous bytes of a frame in several slots, or NULL when the bounce buffer has no
 * room for them.
 */
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
 * Skips a damaged frame that ends at `end`, behind `found` good frames. Counts it once, even when
 * several harvests find it. Its descriptors go back to the NIC with those of the last good frame,
 * or at once when there is none.
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
	/* The NIC cannot have got further, because the tail register stops it. */
	u32 limit = rx->given + mask;
	u32 at = rx->head, found = 0, bounced = 0, bytes = 0;

	batch->errors.frames = 0;
	batch->errors.bytes = 0;
	if (n > HPCAP_BATCH)
		n = HPCAP_BATCH;
	/* Keeps `judged` close to `head`: positions wrap, so only close ones can be compared. */
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
			 * No prefetch: all slots start in a few sets of the cache, so lines that
			 * are prefetched for a batch evict each other (10 ns a frame instead of 7).
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
			/* The hash is in the last descriptor. */
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
		f->flags = 0;
		rx->offers[found].end = end;
		rx->offers[found].bytes = bytes;
		found++;
		at = end;
	}
	rx->offered = found;
	batch->bytes = bytes;
	return found;
}

/* Returned by hpcap_advrx_release(): the tail register need not be written. */
#define HPCAP_ADVRX_KEEP_TAIL	(~0u)

/*
 * Arms the descriptors of the first n frames of the last harvest again, and adds the frames'
 * bytes to `bytes`. Returns the value for the tail register, or HPCAP_ADVRX_KEEP_TAIL while too
 * few descriptors were given back. The caller orders the descriptors before the register.
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
