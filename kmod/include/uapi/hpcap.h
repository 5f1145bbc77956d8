/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT OR Apache-2.0 */
/*
 * hpcap: the memory that a producer and its listeners share, and the RAW stream in it.
 *
 * This file is the only definition of the layout. The kernel module, the userspace
 * engine and the Rust crate `hpcap` follow it; tests compare the Rust mirror
 * (crates/hpcap-sys/src/abi.rs) with it field by field.
 *
 * A queue consists of three kinds of shared memory:
 *
 *	ring	the RAW byte stream; read-only for listeners; mapped twice, back to
 *		back, so that a record is contiguous wherever it starts.
 *	queue	struct hpcap_queue and the block index; read-only for listeners.
 *	slot	struct hpcap_slot, one for each listener, writable by that listener only.
 *
 * All numbers are in the byte order of the machine, and the stream is defined as little-endian, so
 * big-endian machines are not supported. Every field is naturally aligned, so no structure needs
 * packing.
 *
 * A stream offset is an unsigned 64-bit count of bytes since the queue started. It never wraps,
 * and is never truncated. The byte at stream offset `o` is at `o % ring_bytes` in the ring.
 */
#ifndef _UAPI_HPCAP_H
#define _UAPI_HPCAP_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * The version of everything in this file. Versions have no order: two sides work together when
 * their versions are equal, and otherwise refuse each other with a message that names both.
 */
#define HPCAP_ABI_VERSION	3

#define HPCAP_QUEUE_MAGIC	0x4555515041435048ULL	/* "HPCAPQUE" in memory */
#define HPCAP_SLOT_MAGIC	0x544c535041435048ULL	/* "HPCAPSLT" in memory */

/* The most listeners of one queue. */
#define HPCAP_SLOTS		32

/* ------------------------------------------------------------------ RAW stream */

/*
 * A record is this header, then `caplen` bytes of a frame. A record whose `sec` and `nsec` are
 * both zero is padding: a reader skips the `caplen` (equal to `len`) bytes that follow. The header
 * has 12 bytes, and records follow each other without a hole or an alignment.
 */
struct hpcap_record {
	__u32 sec;	/* seconds since 1970-01-01 UTC, unsigned: valid until 2106 */
	__u32 nsec;	/* 0..999,999,999 */
	__u16 caplen;	/* bytes of the frame that follow */
	__u16 len;	/* bytes of the frame on the wire, without FCS; 65,535 when longer */
};

#define HPCAP_RECORD_BYTES	12
#define HPCAP_CAPLEN_MAX	65535
/* The largest record, header included. */
#define HPCAP_RECORD_BYTES_MAX	(HPCAP_RECORD_BYTES + HPCAP_CAPLEN_MAX)

/*
 * The longest file. The length of a file is a whole number of blocks, and its last record is
 * padding that ends exactly where the file ends.
 */
#define HPCAP_FILE_BYTES_MAX	(1ULL << 31)

/* The size of a block, when the ring has room for four of them; otherwise a quarter of the ring. */
#define HPCAP_BLOCK_BYTES	(4ULL << 20)
/*
 * The smallest ring. A block, which is a quarter of it, must hold the largest record, so that in
 * every block a record starts.
 */
#define HPCAP_RING_BYTES_MIN	(512ULL << 10)

/*
 * What became of a frame: it was captured, or the reason why it is not in the stream. The names
 * are the same in sysfs, JSON, Prometheus, logs and documentation. The ledger balances:
 *
 *	on the wire = captured + duplicate + filtered + no_listener + ring_full
 *		      + nic_missed + nic_error
 *
 * The last two reasons are not in the ledger. A gap record in the files of a single listener uses
 * them for frames that were captured, but that this listener lost.
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
	HPCAP_STORAGE		= 8,	/* a recorder could not write the frame */
	HPCAP_REASONS		= 9,
};

struct hpcap_count {
	__u64 frames;
	__u64 bytes;	/* sum of `len`; 0 when only the number of frames is known */
};

/*
 * Tags are what hpcap adds to the stream. They are in the bodies of padding records, which every
 * reader of the format skips. The rest of such a body is zero.
 */
#define HPCAP_TAG_MAGIC		0x4741545041435048ULL	/* "HPCAPTAG" in memory */
#define HPCAP_TAG_VERSION	1

enum hpcap_tag_type {
	HPCAP_TAG_FILE_HEADER	= 1,	/* first record of a file */
	HPCAP_TAG_GAP		= 2,	/* frames are missing here */
	HPCAP_TAG_LEDGER	= 3,	/* the ledger at the end of a file */
	HPCAP_TAG_DUPLICATE	= 4,	/* the next record is a copy of an earlier frame */
	HPCAP_TAG_ALTERED	= 5,	/* the next frame is not stored as it was received */
	HPCAP_TAG_SENT		= 6,	/* this machine sent the next frame */
};

struct hpcap_tag {
	__u64 magic;
	__u16 type;
	__u16 version;
	__u32 bytes;	/* size of the whole tag, this header included; <= the body */
};

/* The identity of a recording is random, so that no two recordings share it. */
#define HPCAP_RECORDING_ID_BYTES	16

/* Texts are UTF-8, end with a zero byte, and are cut when they are too long. */
struct hpcap_file_header {
	struct hpcap_tag tag;
	__u64 stream_off;	/* stream offset of this record in its queue */
	__u64 start_ns;		/* wall clock when this record was written, ns since 1970 */
	__u32 link_type;	/* LINKTYPE_ value; 1 = Ethernet */
	__u32 caplen;		/* capture length in force, bytes; 0 = whole frames */
	__u32 adapter;
	__u32 queue;
	__u32 producer_pid;
	__u32 flags;		/* enum hpcap_file_flags; zero in older files */
	__u64 file_bytes_max;
	__u64 block_bytes;
	struct hpcap_count ledger[HPCAP_LEDGER_REASONS];	/* at the start of this file */
	char interface[64];
	char host[64];
	char clock_source[32];	/* which clock stamps frames: "kernel", "engine", "file", "nic" */
	char software[32];	/* name and version of the producer */
	char filter[256];
	/*
	 * Files with the same recording_id are parts of one stream; file_number orders them.
	 * recording_id is all zero in a file that was written without an identity. File headers of
	 * ABI version 1 end before this field: HPCAP_FILE_HEADER_BYTES_MIN.
	 */
	__u8 recording_id[HPCAP_RECORDING_ID_BYTES];
	__u64 file_number;	/* 0 = the first file of the recording */
};

enum hpcap_file_flags {
	/* A frame without HPCAP_TAG_SENT was received. Without this flag, it may have been sent. */
	HPCAP_FILE_DIRECTIONS	= 1 << 0,
};

/* Size of a file header without recording_id and file_number, as ABI version 1 wrote it. */
#define HPCAP_FILE_HEADER_BYTES_MIN	632

/*
 * Frames are missing between the frame before and the frame after this record. When no frame after
 * it has come yet (on an idle link, at the end of a file or of a recording), the gap is open:
 * `until_ns` is then the wall clock when the record was written.
 */
struct hpcap_gap {
	struct hpcap_tag tag;
	__u64 from_ns;	/* time of the last frame before the gap; 0 = none */
	__u64 until_ns;	/* time of the first frame after it */
	struct hpcap_count lost[HPCAP_REASONS];	/* since the previous gap */
	__u64 flags;	/* enum hpcap_gap_flags; not in older tags, which have 176 bytes */
};

enum hpcap_gap_flags {
	HPCAP_GAP_OPEN	= 1 << 0,	/* until_ns is a clock's time, not a frame's */
};

struct hpcap_ledger_tag {
	struct hpcap_tag tag;
	__u64 end_ns;
	struct hpcap_count ledger[HPCAP_LEDGER_REASONS];	/* since the queue started */
	__u64 frames_cut;	/* older tags, which have 136 bytes, end before this field */
	__u64 times_adjusted;
};

/*
 * The original length and time of the next frame, which was longer than HPCAP_CAPLEN_MAX, or had a
 * time that a record cannot hold. A HPCAP_TAG_DUPLICATE can be between this tag and the frame, and
 * a HPCAP_TAG_SENT before it.
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
	HPCAP_QUEUE_ENDED	= 2,	/* the source has ended; nothing follows */
	HPCAP_QUEUE_FAILED	= 3,	/* source or producer has failed; nothing follows */
	HPCAP_QUEUE_STOPPED	= 4,	/* the producer was stopped before the source ended */
};

enum hpcap_queue_flags {
	HPCAP_QUEUE_PLAIN	= 1 << 0,	/* no tags in the stream */
	HPCAP_QUEUE_LOOK_BACK	= 1 << 1,	/* the queue captures without listeners, too */
	HPCAP_QUEUE_DIRECTIONS	= 1 << 2,	/* the files have HPCAP_FILE_DIRECTIONS */
};

enum hpcap_contract {
	HPCAP_LOSSLESS	= 1,	/* the ring waits for this listener */
	HPCAP_LOSSY	= 2,	/* the ring overruns this listener */
};

/* Where a new listener starts. */
enum hpcap_start {
	HPCAP_START_FILE	= 1,	/* the start of a file; of a new one if necessary */
	HPCAP_START_NEWEST	= 2,	/* the next record */
	HPCAP_START_OLDEST	= 3,	/* the oldest record that the block index finds */
};

enum hpcap_slot_state {
	HPCAP_SLOT_FREE		= 0,
	HPCAP_SLOT_STARTING	= 1,	/* waits for the next file, where it starts */
	HPCAP_SLOT_ACTIVE	= 2,
	HPCAP_SLOT_KILLED	= 3,	/* ends at end_off; does not hold the ring back */
	HPCAP_SLOT_FINISHED	= 4,	/* ends at end_off; holds unread bytes before its end */
};

/*
 * The ledger at an offset of the stream: the frames captured before the offset, and the losses of
 * the gap records before it. So the difference of two moments is the number of frames and losses
 * in the stream between them. The other reasons have what was counted when the moment was written.
 */
struct hpcap_moment {
	__u64 off;
	struct hpcap_count ledger[HPCAP_LEDGER_REASONS];
	__u64 frames_cut;
	__u64 times_adjusted;
};

/*
 * An entry of the block index: where the first record of a block starts. The producer writes it
 * before it publishes any byte of the block. `block` is the number of the block, stream offset /
 * block_bytes, and is HPCAP_NO_BLOCK while the entry changes. A reader reads `block`, then the
 * other fields, then `block` again; the entry is valid when both values are the block's number.
 *
 * earliest_ns and latest_ns are those of all frames that start in the block and are published;
 * frames that are not published yet can be included. They allow a search for a time to skip the
 * block. first_ns alone does not, because a clock may be set back between any two frames.
 */
struct hpcap_block {
	__u64 block;
	__u64 first_off;	/* stream offset of the first record that starts in the block */
	__u64 first_ns;		/* time of the block's first frame; 0 = none yet */
	__u64 earliest_ns;	/* earliest time of a frame of the block; 0 = none yet */
	__u64 latest_ns;	/* latest time of a frame of the block; 0 = none yet */
	__u64 file_off;		/* stream offset of the file that the block belongs to */
	/* The following fields are those of struct hpcap_moment at first_off. */
	struct hpcap_count ledger[HPCAP_LEDGER_REASONS];
	__u64 frames_cut;
	__u64 times_adjusted;
};

#define HPCAP_NO_BLOCK		(~0ULL)

/* The producer's view of a listener; read-only for all. */
struct hpcap_listener {
	__u64 id;		/* never used again; 0 = the slot is free */
	__u64 read_off;		/* acknowledged offset, after the producer's checks */
	__u64 start_off;	/* stream offset where it started */
	__u64 start_frames;	/* frames captured before start_off */
	__u64 start_bytes;
	__u64 attached_ns;	/* wall clock */
	__u64 max_stall_ns;	/* 0 = without limit */
	__u64 demoted_ns;	/* wall clock when a long stall made it lossy; 0 = never */
	__u32 state;		/* enum hpcap_slot_state */
	__u32 contract;		/* enum hpcap_contract; demotion makes it HPCAP_LOSSY */
	__u32 pid;
	__u32 uid;
	__u64 end_off;		/* stream offset where it ends, once finished or killed */
	__u64 reserved;
	char name[32];
};

struct hpcap_queue {
	/* These fields are constant after the start. */
	__u64 magic;		/* HPCAP_QUEUE_MAGIC */
	__u32 abi_version;	/* HPCAP_ABI_VERSION */
	__u32 flags;		/* enum hpcap_queue_flags */
	__u64 queue_bytes;	/* size of this mapping, index included */
	__u64 ring_bytes;
	__u64 page_bytes;	/* size of the pages under the ring */
	__u64 block_bytes;
	__u64 file_bytes_max;	/* a multiple of block_bytes */
	__u64 index_off;	/* bytes from this structure to the first struct hpcap_block */
	__u32 index_entries;	/* block b is in entry b % index_entries */
	__u32 slots;		/* HPCAP_SLOTS */
	__u64 start_off;	/* stream offset of the queue's first byte */
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
	/* A random value, new for every start of a queue. */
	__u8 recording_id[HPCAP_RECORDING_ID_BYTES];
	__u8 reserved0[200];	/* to 1024 */

	/* 1024: written for every batch; a cache line of its own */
	__u64 published;	/* all bytes before this offset are written (store-release) */
	__u8 reserved1[56];

	/* 1088: written before bytes are overwritten; a cache line of its own */
	__u64 oldest;		/* bytes before this offset may be overwritten at any time */
	__u8 reserved2[56];

	/* 1152: these fields change rarely. */
	__u32 state;		/* enum hpcap_queue_state */
	__u32 caplen;		/* capture length in force; 0 = whole frames */
	__u64 file_off;		/* stream offset of the current file */
	__u64 heartbeat_ns;	/* last heartbeat (CLOCK_MONOTONIC); at least one every second */
	__u64 file_number;	/* number of the current file; 0 = the first */
	__u64 longest_pause_ns;	/* longest time between two looks of the producer for frames */
	__u8 reserved3[24];

	/* 1216: the ledger. While ledger_seq is odd, the ledger is changing. */
	__u64 ledger_seq;
	struct hpcap_count ledger[HPCAP_LEDGER_REASONS];
	__u64 frames_cut;	/* frames longer than HPCAP_CAPLEN_MAX, which were cut */
	__u64 times_adjusted;	/* frames with a time that no record can hold */
	__u64 published_frames;	/* captured frames before `ledger_off` */
	__u64 ledger_off;	/* the value of `published` that the ledger belongs to */
	__u64 gaps;		/* gap records written */
	__u64 duplicates_marked;	/* frames captured behind a HPCAP_TAG_DUPLICATE */
	__u8 reserved4[24];	/* to 1408 */

	struct hpcap_listener listeners[HPCAP_SLOTS];
};

/*
 * The page of a listener, which the listener may write. The producer trusts no value in it.
 *
 * A listener that wants to end sets `finish`. The producer then fixes the listener's end:
 * everything published until then belongs to the listener, and later frames are not captured for
 * it. The listener reads up to end.off, and detaches.
 */
struct hpcap_slot {
	__u64 magic;		/* HPCAP_SLOT_MAGIC */
	__u32 abi_version;
	__u32 reserved0;
	__u8 reserved1[48];

	/* 64 */
	__u64 read_off;		/* acknowledged: bytes before it may be overwritten (release) */
	__u64 wait_off;		/* wake the listener when `published` reaches this offset */
	__u32 waiting;		/* 1 = the listener sleeps on it (futex); the producer clears it */
	__u32 file_seq;		/* another value requests a new file; see docs/ring.md */
	__u32 finish;		/* not 0 = fix the listener's end */
	__u8 reserved2[36];

	/*
	 * 128: written by the producer: `start` before the listener is active, the others before
	 * `ended` (store-release). They stay readable after the slot was given to another listener.
	 */
	struct hpcap_moment start;
	struct hpcap_moment end;	/* includes the losses in `untold` */
	struct hpcap_count untold[HPCAP_LEDGER_REASONS];	/* losses without a gap record */
	__u32 ended;		/* 0, HPCAP_SLOT_FINISHED or HPCAP_SLOT_KILLED */
	__u32 reserved3;
};

#define HPCAP_SLOT_BYTES	4096

/* ------------------------------------------------------------------- attaching */

/*
 * A program sends a request, and gets the answer in the same structure: over hpcapd's UNIX socket
 * (SOCK_SEQPACKET, one structure in each message, file descriptors of ring, queue and slot with the
 * answer), or with HPCAP_IOC_REQUEST on the kernel module's char device.
 */
enum hpcap_op {
	HPCAP_OP_OBSERVE	= 1,	/* get the queue page, without becoming a listener */
	HPCAP_OP_ATTACH		= 2,	/* become a listener */
	HPCAP_OP_KILL		= 3,	/* kill listener `id` */
};

/*
 * An operation that only hpcapd has, beside those of enum hpcap_op. The answer's `message` contains
 * the settings of the duplicate filter in the syntax of `hpcapd --dedup`, or "off". The kernel
 * module has these settings in sysfs, and refuses the operation.
 */
#define HPCAP_OP_DEDUP		0x80000000U

/*
 * Another operation of hpcapd only: asks for a wake-up socket, for a listener that waits with
 * poll(2). The connection must be that of a listener, and asks at most once. The answer comes with
 * one file descriptor, a stream socket. Whenever hpcapd wakes the listener's slot, it also sends a
 * byte over this socket, unless unread bytes fill the socket. The socket is closed when the
 * listener is killed or the producer ends. The device of the kernel module needs no such socket.
 */
#define HPCAP_OP_WAKEUP		0x80000001U

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
	__u64 id;		/* answer: the listener's id; HPCAP_OP_KILL: id of the victim */
	char name[32];		/* name of the program */
	char message[168];	/* answer: what is wrong and what to do */
};

/* ------------------------------------------------------------------ char device */

/*
 * /dev/hpcap_N_Q is queue Q of adapter N, which the kernel module produces. An open file is like a
 * connection to hpcapd's socket: it observes the queue, or is one listener, which is detached when
 * the file and its mappings are gone. A program opens the device again for another listener.
 *
 * A mapping is shared, begins at one of these offsets, and covers the whole object. Only the queue
 * page may be mapped in part, to read queue_bytes from its beginning. The ring can be mapped any
 * number of times; a reader maps it twice, back to back, for records that cross its end. A ring of
 * hugepages (page_bytes) is mapped from the file of HPCAP_IOC_RING_FD; here it is -EOPNOTSUPP.
 *
 * poll(2) returns POLLIN when the slot's wait_off is reached, and POLLHUP when nothing more will be
 * published, because the queue has ended or has got another ring.
 */
#define HPCAP_MMAP_QUEUE	0ULL		/* queue_bytes, read-only */
#define HPCAP_MMAP_SLOT		(1ULL << 40)	/* HPCAP_SLOT_BYTES, after HPCAP_OP_ATTACH */
#define HPCAP_MMAP_RING		(1ULL << 41)	/* ring_bytes, read-only */

#define HPCAP_IOC_MAGIC		0xe7

/*
 * Sends a request: observe, attach or kill. Returns 0 when the request was understood; `error` and
 * `message` of the answer then have the result. Returns -EFAULT for a bad address, and -EINVAL when
 * the magic or the operation is unknown.
 */
#define HPCAP_IOC_REQUEST	_IOWR(HPCAP_IOC_MAGIC, 1, struct hpcap_attach)

/*
 * Sleeps while the slot's `waiting` is 1, for at most the given number of ns, as hpcapd's listeners
 * do with FUTEX_WAIT. Returns 0, also when the time is over; -EINTR after a signal; -ENOTCONN when
 * the file is no listener.
 */
#define HPCAP_IOC_WAIT		_IOW(HPCAP_IOC_MAGIC, 2, __u64)

/*
 * Returns a new, read-only file descriptor of the hugepage file under the ring, so that a listener
 * can map the ring in huge pages. -ENODATA when the ring has ordinary pages.
 */
#define HPCAP_IOC_RING_FD	_IO(HPCAP_IOC_MAGIC, 3)

/*
 * Gives the queue another ring, with which it starts anew: offsets and ledger begin at 0. Needs
 * CAP_SYS_ADMIN; -EBUSY while a listener is attached. The pages of `fd` stay in use until the queue
 * gets another ring or is removed, even when the file is deleted. -EPERM when the mode of the file
 * lets anybody but its owner write: the listeners, which get the file, could then write it.
 */
struct hpcap_set_ring {
	__u64 ring_bytes;
	__s32 fd;		/* a hugetlbfs file or hugepage memfd; -1: ordinary pages */
	__u32 reserved;		/* 0 */
};

#define HPCAP_IOC_SET_RING	_IOW(HPCAP_IOC_MAGIC, 4, struct hpcap_set_ring)

#endif /* _UAPI_HPCAP_H */
