/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT OR Apache-2.0 */
/*
 * hpcap: the memory that a producer and its listeners share, and the RAW stream in it.
 *
 * This file is the only definition of the layout. The kernel module, the userspace
 * engine and the Rust crate `hpcap` follow it; the Rust mirror (crates/hpcap-sys/src/abi.rs) is
 * compared with it field by field in the tests.
 *
 * A queue is three kinds of shared memory:
 *
 *	ring	the RAW byte stream; read-only for listeners; mapped twice, back to
 *		back, so that a record is contiguous wherever it starts.
 *	queue	struct hpcap_queue and the block index; read-only for listeners.
 *	slot	struct hpcap_slot, one for each listener, writable by that listener only.
 *
 * Everything is in the byte order of the machine, and the stream is defined as little
 * endian: a big-endian machine is not supported. Every field is naturally aligned, so
 * no structure needs packing.
 *
 * Offsets ("stream offsets") are unsigned 64-bit counts of bytes since the queue
 * started. They never wrap and are never truncated. The byte at stream offset `o`
 * stands at `o % ring_bytes` in the ring.
 */
#ifndef _UAPI_HPCAP_H
#define _UAPI_HPCAP_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * The version of everything in this file. It has no order: two sides work together
 * when the numbers are equal, and refuse each other, naming both, when they are not.
 */
#define HPCAP_ABI_VERSION	2

#define HPCAP_QUEUE_MAGIC	0x4555515041435048ULL	/* "HPCAPQUE" in memory */
#define HPCAP_SLOT_MAGIC	0x544c535041435048ULL	/* "HPCAPSLT" in memory */

/* Listeners of one queue, at most. */
#define HPCAP_SLOTS		32

/* ------------------------------------------------------------------ RAW stream */

/*
 * A record: this header, then `caplen` bytes of frame. A record whose `sec` and
 * `nsec` are both zero is padding: `caplen` (equal to `len`) bytes follow that a reader
 * skips. 12 bytes, no alignment: records follow each other without a hole.
 */
struct hpcap_record {
	__u32 sec;	/* seconds since 1970-01-01 UTC, unsigned: valid until 2106 */
	__u32 nsec;	/* 0..999,999,999 */
	__u16 caplen;	/* bytes of the frame that follow */
	__u16 len;	/* bytes of the frame on the wire, without FCS; 65,535 when longer */
};

#define HPCAP_RECORD_BYTES	12
#define HPCAP_CAPLEN_MAX	65535
/* The largest record, header and body. */
#define HPCAP_RECORD_BYTES_MAX	(HPCAP_RECORD_BYTES + HPCAP_CAPLEN_MAX)

/*
 * A file is at most this long, always a whole number of blocks, and ends with a padding
 * record that reaches exactly its end.
 */
#define HPCAP_FILE_BYTES_MAX	(1ULL << 31)

/* A block, where the ring has room for four of them. */
#define HPCAP_BLOCK_BYTES	(4ULL << 20)
/*
 * The smallest ring: a block, a quarter of it, must hold the largest record, so that
 * every block has a record that starts in it.
 */
#define HPCAP_RING_BYTES_MIN	(512ULL << 10)

/*
 * Why a frame is not in the stream. The names are the same everywhere: sysfs, JSON,
 * Prometheus, logs, documentation. The ledger balances:
 *
 *	on the wire = captured + duplicate + filtered + no_listener + ring_full
 *		      + nic_missed + nic_error
 *
 * The last two reasons are not in the ledger: they name what a single listener lost of
 * frames that were captured, in the gap records of its own files.
 */
enum hpcap_reason {
	HPCAP_CAPTURED		= 0,	/* stored in the ring */
	HPCAP_DUPLICATE		= 1,	/* removed as a copy of an earlier frame */
	HPCAP_FILTERED		= 2,	/* refused by the filter */
	HPCAP_NO_LISTENER	= 3,	/* nobody was attached */
	HPCAP_RING_FULL		= 4,	/* a lossless listener held the ring back */
	HPCAP_NIC_MISSED	= 5,	/* lost before the producer saw it */
	HPCAP_NIC_ERROR		= 6,	/* received damaged */
	HPCAP_LEDGER_REASONS	= 7,
	HPCAP_OVERRUN		= 7,	/* a lossy listener was too slow */
	HPCAP_STORAGE		= 8,	/* a recorder could not write it */
	HPCAP_REASONS		= 9,
};

struct hpcap_count {
	__u64 frames;
	__u64 bytes;	/* of `len`; 0 where only the number of frames is known */
};

/*
 * Tags: what hpcap adds to the stream, in the bodies of padding records, which every
 * reader of the format skips. The rest of a padding body is zero.
 */
#define HPCAP_TAG_MAGIC		0x4741545041435048ULL	/* "HPCAPTAG" in memory */
#define HPCAP_TAG_VERSION	1

enum hpcap_tag_type {
	HPCAP_TAG_FILE_HEADER	= 1,	/* first record of a file */
	HPCAP_TAG_GAP		= 2,	/* frames are missing here */
	HPCAP_TAG_LEDGER	= 3,	/* the ledger at the end of a file */
	HPCAP_TAG_DUPLICATE	= 4,	/* the next record is a copy of an earlier frame */
	HPCAP_TAG_ALTERED	= 5,	/* the next frame is not stored as it was received */
};

struct hpcap_tag {
	__u64 magic;
	__u16 type;
	__u16 version;
	__u32 bytes;	/* of the whole tag, this header included; <= the body */
};

/* The identity of a recording: random, so that no two recordings share it. */
#define HPCAP_RECORDING_ID_BYTES	16

/* Texts are UTF-8, ended by a zero byte, cut where they are too long. */
struct hpcap_file_header {
	struct hpcap_tag tag;
	__u64 stream_off;	/* stream offset of this record in its queue */
	__u64 start_ns;		/* wall clock when this record was written, ns since 1970 */
	__u32 link_type;	/* LINKTYPE_ value; 1 = Ethernet */
	__u32 caplen;		/* capture length in force, bytes; 0 = whole frames */
	__u32 adapter;
	__u32 queue;
	__u32 producer_pid;
	__u32 reserved;
	__u64 file_bytes_max;
	__u64 block_bytes;
	struct hpcap_count ledger[HPCAP_LEDGER_REASONS];	/* before this file */
	char interface[64];
	char host[64];
	char clock_source[32];	/* who stamps: "kernel", "engine", "file", "nic" */
	char software[32];	/* name and version of the producer */
	char filter[256];
	/*
	 * Files with the same recording_id are parts of one stream; file_number orders them.
	 * All zero in a file that was written without an identity. Files of ABI version 1 end
	 * before this field: HPCAP_FILE_HEADER_BYTES_MIN.
	 */
	__u8 recording_id[HPCAP_RECORDING_ID_BYTES];
	__u64 file_number;	/* 0 = the first file of the recording */
};

/* A file header without recording_id and file_number, as ABI version 1 wrote it. */
#define HPCAP_FILE_HEADER_BYTES_MIN	632

/*
 * Frames are missing between the frame before and the frame after this record. Where the
 * frame after is not there yet (an idle link, the end of a file or of a recording), the gap
 * is open: `until_ns` is then the wall clock when it was written.
 */
struct hpcap_gap {
	struct hpcap_tag tag;
	__u64 from_ns;	/* time of the last frame before the gap; 0 = none */
	__u64 until_ns;	/* time of the first frame after it */
	struct hpcap_count lost[HPCAP_REASONS];	/* since the previous gap */
	__u64 flags;	/* enum hpcap_gap_flags; missing in tags of 176 bytes */
};

enum hpcap_gap_flags {
	HPCAP_GAP_OPEN	= 1 << 0,	/* until_ns is a clock's time, not a frame's */
};

struct hpcap_ledger_tag {
	struct hpcap_tag tag;
	__u64 end_ns;
	struct hpcap_count ledger[HPCAP_LEDGER_REASONS];	/* since the queue started */
	__u64 frames_cut;	/* this and the next: missing in tags of 136 bytes */
	__u64 times_adjusted;
};

/*
 * The frame behind this record was longer than HPCAP_CAPLEN_MAX, or had a time that a record
 * cannot hold: this is what it had. A HPCAP_TAG_DUPLICATE can stand between the two.
 */
struct hpcap_altered {
	struct hpcap_tag tag;
	__u64 sec;
	__u32 nsec;
	__u32 len;	/* bytes of the frame on the wire, without FCS */
};

/* --------------------------------------------------------------- shared memory */

enum hpcap_queue_state {
	HPCAP_QUEUE_RUNNING	= 1,
	HPCAP_QUEUE_ENDED	= 2,	/* the source came to its end; nothing follows */
	HPCAP_QUEUE_FAILED	= 3,	/* source or producer failed; nothing follows */
	HPCAP_QUEUE_STOPPED	= 4,	/* the producer was stopped, and the source had more */
};

enum hpcap_queue_flags {
	HPCAP_QUEUE_PLAIN	= 1 << 0,	/* no tags in the stream */
	HPCAP_QUEUE_LOOK_BACK	= 1 << 1,	/* captures without listeners, too */
};

enum hpcap_contract {
	HPCAP_LOSSLESS	= 1,	/* the ring waits for this listener */
	HPCAP_LOSSY	= 2,	/* the ring overruns this listener */
};

/* Where a new listener starts. */
enum hpcap_start {
	HPCAP_START_FILE	= 1,	/* the start of a file, a new one where needed */
	HPCAP_START_NEWEST	= 2,	/* the next record */
	HPCAP_START_OLDEST	= 3,	/* the oldest record that can be found */
};

enum hpcap_slot_state {
	HPCAP_SLOT_FREE		= 0,
	HPCAP_SLOT_STARTING	= 1,	/* waits for its start: the next file */
	HPCAP_SLOT_ACTIVE	= 2,
	HPCAP_SLOT_KILLED	= 3,	/* ends at end_off; holds nothing, may be overrun */
	HPCAP_SLOT_FINISHED	= 4,	/* ends at end_off; holds what it has not read of that */
};

/*
 * The ledger at a place of the stream: frames captured before it, and the losses that gap
 * records before it tell. So the difference of two moments is what the stream between them
 * holds: its frames and its gaps. Of the other reasons it is what was counted meanwhile.
 */
struct hpcap_moment {
	__u64 off;
	struct hpcap_count ledger[HPCAP_LEDGER_REASONS];
	__u64 frames_cut;
	__u64 times_adjusted;
};

/*
 * One for each block: where its first record starts. Written by the producer before
 * any byte of the block is published. `block` is the block's number, stream offset /
 * block_bytes, and is HPCAP_NO_BLOCK while the entry changes: read it, read the rest,
 * read it again.
 */
struct hpcap_block {
	__u64 block;
	__u64 first_off;	/* stream offset of the first record that starts in it */
	__u64 first_ns;		/* time of its first frame; 0 = none yet */
	__u64 file_off;		/* stream offset of the file that the block belongs to */
	/* as in struct hpcap_moment, at first_off */
	struct hpcap_count ledger[HPCAP_LEDGER_REASONS];
	__u64 frames_cut;
	__u64 times_adjusted;
};

#define HPCAP_NO_BLOCK		(~0ULL)

/* The producer's view of a listener; read-only for all. */
struct hpcap_listener {
	__u64 id;		/* never used again; 0 = the slot is free */
	__u64 read_off;		/* acknowledged, as the producer believes it */
	__u64 start_off;	/* where it started */
	__u64 start_frames;	/* frames captured before start_off */
	__u64 start_bytes;
	__u64 attached_ns;	/* wall clock */
	__u64 max_stall_ns;	/* 0 = without limit */
	__u64 demoted_ns;	/* wall clock when its stall outlived max_stall_ns; 0 = never */
	__u32 state;		/* enum hpcap_slot_state */
	__u32 contract;		/* enum hpcap_contract; demotion makes it HPCAP_LOSSY */
	__u32 pid;
	__u32 uid;
	__u64 end_off;		/* where it ends, once it is finished or killed */
	__u64 reserved;
	char name[32];
};

struct hpcap_queue {
	/* constant after start */
	__u64 magic;		/* HPCAP_QUEUE_MAGIC */
	__u32 abi_version;	/* HPCAP_ABI_VERSION */
	__u32 flags;		/* enum hpcap_queue_flags */
	__u64 queue_bytes;	/* this mapping, index included */
	__u64 ring_bytes;
	__u64 page_bytes;	/* of the pages under the ring */
	__u64 block_bytes;
	__u64 file_bytes_max;	/* a multiple of block_bytes */
	__u64 index_off;	/* bytes from here to the first struct hpcap_block */
	__u32 index_entries;	/* block b is in entry b % index_entries */
	__u32 slots;		/* HPCAP_SLOTS */
	__u64 start_off;	/* stream offset of the first byte of all */
	__u64 start_ns;		/* wall clock */
	__u32 link_type;	/* LINKTYPE_ value */
	__u32 producer_pid;
	__u32 adapter;
	__u32 queue;
	char interface[64];
	char host[64];
	char clock_source[32];
	char software[32];
	char source[256];	/* specification of the source, as given */
	char filter[256];
	/* random, new for every start of a queue */
	__u8 recording_id[HPCAP_RECORDING_ID_BYTES];
	__u8 reserved0[200];	/* to 1024 */

	/* 1024: written for every batch; a cache line of its own */
	__u64 published;	/* every byte before it is written (store-release) */
	__u8 reserved1[56];

	/* 1088: written before bytes are overwritten; a cache line of its own */
	__u64 oldest;		/* no byte before it can be relied on */
	__u8 reserved2[56];

	/* 1152: changes now and then */
	__u32 state;		/* enum hpcap_queue_state */
	__u32 caplen;		/* capture length in force; 0 = whole frames */
	__u64 file_off;		/* stream offset of the file under way */
	__u64 heartbeat_ns;	/* CLOCK_MONOTONIC of the poll loop, at least every second */
	__u64 file_number;	/* of the file under way; 0 = the first */
	__u8 reserved3[32];

	/* 1216: the ledger. An odd ledger_seq means that it changes. */
	__u64 ledger_seq;
	struct hpcap_count ledger[HPCAP_LEDGER_REASONS];
	__u64 frames_cut;	/* longer than HPCAP_CAPLEN_MAX; stored cut */
	__u64 times_adjusted;	/* time zero, or outside 32-bit seconds */
	__u64 published_frames;	/* captured frames before `ledger_off` */
	__u64 ledger_off;	/* the value of `published` that the ledger belongs to */
	__u64 gaps;		/* gap records written */
	__u64 duplicates_marked;	/* captured behind a HPCAP_TAG_DUPLICATE */
	__u8 reserved4[24];	/* to 1408 */

	struct hpcap_listener listeners[HPCAP_SLOTS];
};

/*
 * One page, writable by its listener. The producer believes none of it.
 *
 * A listener that has enough sets `finish`. The producer then fixes its end: everything
 * published until then is its, and what comes later is not captured for it. It reads up to
 * end.off, and leaves.
 */
struct hpcap_slot {
	__u64 magic;		/* HPCAP_SLOT_MAGIC */
	__u32 abi_version;
	__u32 reserved0;
	__u8 reserved1[48];

	/* 64 */
	__u64 read_off;		/* everything before it may be overwritten (store-release) */
	__u64 wait_off;		/* wake me when `published` has reached it */
	__u32 waiting;		/* 1 = I sleep on this word (futex); the producer clears it */
	__u32 file_seq;		/* another value asks for a new file; see docs/ring.md */
	__u32 finish;		/* not 0 = fix my end, please */
	__u8 reserved2[36];

	/*
	 * 128: written by the producer. `start` before the listener is active; the rest before
	 * `ended` is (store-release). It stays readable after the slot was given to another.
	 */
	struct hpcap_moment start;
	struct hpcap_moment end;	/* of all that was counted until then */
	struct hpcap_count untold[HPCAP_LEDGER_REASONS];	/* of that, in no gap before it */
	__u32 ended;		/* 0, HPCAP_SLOT_FINISHED or HPCAP_SLOT_KILLED */
	__u32 reserved3;
};

#define HPCAP_SLOT_BYTES	4096

/* ------------------------------------------------------------------- attaching */

/*
 * What a listener asks for and what it gets: over hpcapd's UNIX socket (SOCK_SEQPACKET,
 * one structure a message, file descriptors for ring, queue and slot with the answer), or
 * with HPCAP_IOC_REQUEST on the kernel module's char device.
 */
enum hpcap_op {
	HPCAP_OP_OBSERVE	= 1,	/* the queue page alone */
	HPCAP_OP_ATTACH		= 2,	/* become a listener */
	HPCAP_OP_KILL		= 3,	/* kill listener `id` */
};

/*
 * An operation of hpcapd alone, beside enum hpcap_op: the answer's `message` has the settings of
 * the duplicate filter in the syntax of `hpcapd --dedup`, or "off". The kernel module, which has
 * these settings in sysfs, does not know the operation.
 */
#define HPCAP_OP_DEDUP		0x80000000U

#define HPCAP_ATTACH_MAGIC	0x5454415041435048ULL	/* "HPCAPATT" in memory */

struct hpcap_attach {
	__u64 magic;
	__u32 abi_version;
	__u32 op;		/* enum hpcap_op */
	__s32 error;		/* answer: 0, or a positive errno */
	__u32 slot;		/* answer: index of the slot */
	__u32 contract;		/* enum hpcap_contract */
	__u32 start;		/* enum hpcap_start */
	__u64 max_stall_ns;	/* HPCAP_LOSSLESS: 0 = without limit */
	__u64 id;		/* answer: the listener's id; HPCAP_OP_KILL: whom */
	char name[32];		/* of the program */
	char message[168];	/* answer: what is wrong and what to do */
};

/* ------------------------------------------------------------------ char device */

/*
 * /dev/hpcap_N_Q: queue Q of adapter N, produced by the kernel module. An open file is one
 * conversation, as a connection to hpcapd's socket is: it observes the queue, or is one
 * listener, which leaves when the file and its mappings are gone. Further listeners open
 * the device again.
 *
 * Mappings are shared, whole, and of one of these offsets. Only of the queue page the first
 * bytes can be mapped alone, to learn how many it has. The ring's offset can be mapped any number
 * of times: twice, back to back, for records that run over its end. A ring of hugepages
 * (page_bytes) is mapped from its own file, HPCAP_IOC_RING_FD, and not here: -EOPNOTSUPP.
 *
 * poll(2): POLLIN when the slot's wait_off is reached, POLLHUP when nothing more will be
 * published, because the queue has ended or has got another ring.
 */
#define HPCAP_MMAP_QUEUE	0ULL		/* queue_bytes, read-only */
#define HPCAP_MMAP_SLOT		(1ULL << 40)	/* HPCAP_SLOT_BYTES, after HPCAP_OP_ATTACH */
#define HPCAP_MMAP_RING		(1ULL << 41)	/* ring_bytes, read-only */

#define HPCAP_IOC_MAGIC		0xe7

/*
 * Observe, attach, kill. The call returns 0 when the question was understood; the answer's
 * `error` and `message` say what came of it. -EFAULT, or -EINVAL where magic or operation are
 * unknown, otherwise.
 */
#define HPCAP_IOC_REQUEST	_IOWR(HPCAP_IOC_MAGIC, 1, struct hpcap_attach)

/*
 * Sleeps while the slot's `waiting` is 1, for this many ns at most: what FUTEX_WAIT does for
 * hpcapd's listeners. Returns 0 in either case; -EINTR after a signal, -ENOTCONN where the file
 * is no listener.
 */
#define HPCAP_IOC_WAIT		_IOW(HPCAP_IOC_MAGIC, 2, __u64)

/*
 * A new, read-only file descriptor of the memory under the ring where that is a file of
 * hugepages, so that a listener maps it in huge pages, too. -ENODATA where it is not.
 */
#define HPCAP_IOC_RING_FD	_IO(HPCAP_IOC_MAGIC, 3)

/*
 * Another ring for this queue, which starts anew: offsets and ledger from 0. Needs
 * CAP_SYS_ADMIN; -EBUSY while a listener is attached. The pages of `fd` stay in use until the
 * queue gets another ring or goes, whatever becomes of the file. By its mode nobody but its owner
 * may write that file, or the listeners that get it could: -EPERM.
 */
struct hpcap_set_ring {
	__u64 ring_bytes;
	__s32 fd;		/* of a hugetlbfs file or hugepage memfd; -1: ordinary pages */
	__u32 reserved;		/* 0 */
};

#define HPCAP_IOC_SET_RING	_IOW(HPCAP_IOC_MAGIC, 4, struct hpcap_set_ring)

#endif /* _UAPI_HPCAP_H */
