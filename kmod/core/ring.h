/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The producer of a queue: it places frames in the ring, publishes them to the listeners, and
 * accounts for frames that are not in the ring.
 *
 * A queue has one producer. One thread at a time calls these functions, so they take no lock. Other
 * parties change only struct hpcap_slot meanwhile. It is read with READ_ONCE() and
 * smp_load_acquire(), and an acknowledged offset is clamped between the offset before it and what
 * was published.
 *
 * These files make no kernel calls: the module includes them, and the userspace engine compiles
 * them.
 *
 * Rules of the stream (uapi/hpcap.h):
 *
 * - A record never crosses the end of a file. A file ends at the edge of a block. Padding, at
 *   least its header, fills the rest of a file; `tail` bytes are kept free for it.
 * - A byte is announced (`oldest`) before it is overwritten, and published only after it
 *   is written.
 * - A lossless listener's unread bytes are never overwritten (`limit`).
 *
 * The fast path of a frame compares its time with that of the frame before (ring_index.h), and its
 * end with `fast_end`: the smallest of all limits that a record must not cross before
 * hpcap_ring_prepare() has run, and 0 when something must be written or updated before the next
 * record.
 *
 * One concept is in one header. A header includes those that it needs, and a file that needs only
 * some of them includes these:
 *
 *	ring_types.h	the producer's state
 *	ring_index.h	the block index
 *	ring_room.h	room for a record, announcing, padding
 *	ring_file.h	headers, gaps and ends of files
 *	ring_frame.h	frames, and frames that are lost
 *	ring_publish.h	publishing
 *	ring_listener.h	listeners that come and go, the end of the queue
 *	ring_service.h	regular service
 *	ring_start.h	the start of a queue
 */
#ifndef _HPCAP_RING_H
#define _HPCAP_RING_H

#include "ring_frame.h"
#include "ring_listener.h"
#include "ring_publish.h"
#include "ring_service.h"
#include "ring_start.h"

#endif /* _HPCAP_RING_H */
