/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/* The settings and the state of the duplicate filter (dedup.h). */
#ifndef _HPCAP_DEDUP_TYPES_H
#define _HPCAP_DEDUP_TYPES_H

#include "platform.h"

#define HPCAP_DEDUP_WAYS	16u
#define HPCAP_DEDUP_WINDOW_MIN	HPCAP_DEDUP_WAYS
#define HPCAP_DEDUP_WINDOW_MAX	0x1000000u
#define HPCAP_DEDUP_BYTES_MAX	2048u
/* Value of compare_bytes: compare the bytes that extent.h finds to distinguish the frame. */
#define HPCAP_DEDUP_AUTO	0u
/* Most bytes that AUTO compares: an entry then fills three cache lines. */
#define HPCAP_DEDUP_AUTO_MAX	188u
/* The memory of a window starts at a multiple of this. */
#define HPCAP_DEDUP_ALIGN	64u
/* Frames that are hashed before the first of them is looked up. */
#define HPCAP_DEDUP_CHUNK	64u
/*
 * Number of frames between the prefetch of an entry and its lookup. It is less than the number of
 * ways: 16 new frames would bring the order of a set back to its old value, with other frames in
 * all ways, and hpcap_dedup_seen() would not notice the change.
 */
#define HPCAP_DEDUP_AHEAD	15u
/* Number of frames between the prefetch of a frame's bytes and their hash. */
#define HPCAP_DEDUP_DATA_AHEAD	16u

/* Fields of Ethernet frames that may differ between copies. */
enum hpcap_dedup_ignore {
	HPCAP_IGNORE_TTL	= 0x1,	/* IPv4 TTL, IPv6 hop limit */
	HPCAP_IGNORE_IP_SUM	= 0x2,	/* checksum of the IPv4 header */
	HPCAP_IGNORE_VLAN	= 0x4,	/* VLAN tags, also when only one copy has them */
	HPCAP_IGNORE_MAC	= 0x8,	/* both MAC addresses, which a router changes */
	HPCAP_IGNORE_ALL	= 0xf,
};

enum hpcap_dedup_action {
	HPCAP_DEDUP_DROP	= 1,	/* removes duplicates */
	HPCAP_DEDUP_MARK	= 2,	/* keeps duplicates, and marks them */
};

struct hpcap_dedup_settings {
	u32 window;		/* frames; rounded up to a power of two */
	u32 compare_bytes;	/* most bytes of a frame, or AUTO; 61 need as much memory as 124 */
	u64 age_ns;
	u32 ignore;		/* enum hpcap_dedup_ignore */
	u32 action;		/* enum hpcap_dedup_action */
	u64 seed;		/* random, so that no sender can choose frames of one set */
	u32 renew;		/* not 0: the age counts from the last copy, not from the first */
	u32 link_type;		/* LINKTYPE_ value of the frames, for AUTO */
};

struct hpcap_dedup_set {
	u64 tags[4];		/* tag of way w: lane w / 4 of word w % 4; 0: the way is free */
	u64 order;		/* way numbers of four bits; the last seen way is in the lowest */
	u64 unused[3];		/* fills the cache line */
	u64 ns[HPCAP_DEDUP_WAYS];	/* time from which the age of each way's frame counts */
};

/* The frame that a way remembers. */
struct hpcap_dedup_entry {
	u32 lengths;		/* hpcap_dedup_lengths() */
	u8 key[];
};

/* The lookup of one frame: the bytes to compare, the set they belong to, and the chosen way. */
struct hpcap_dedup_look {
	const u8 *key;	/* the bytes to compare */
	u32 bytes;	/* number of bytes at `key` */
	u32 lengths;
	struct hpcap_dedup_set *set;	/* NULL: the frame is not looked up */
	u64 tags;	/* the frame's tag in each lane */
	u64 order;	/* order of the set when `ways` was computed */
	u64 ways;	/* ways that have the tag: hpcap_dedup_ways() */
	struct hpcap_dedup_entry *entry;	/* entry of `way` */
	u32 way;	/* the first of `ways`, or the set's oldest way when there are none */
};

struct hpcap_dedup {
	struct hpcap_dedup_set *sets;
	u8 *entries;
	u8 *keys;		/* keys of a chunk's frames; used when fields are ignored */
	struct hpcap_dedup_look *look;	/* lookups of a chunk's frames */
	u64 set_mask;
	u64 seed[2];
	u64 age_ns;
	u32 entry_bytes;
	u32 compare_bytes;
	u32 ignore;
	u32 action;
	u32 renew;
	u32 automatic;		/* not 0: HPCAP_DEDUP_AUTO, and compare_bytes is its maximum */
	u32 link_type;
	u32 enabled;		/* 0: every frame passes, and none is remembered */
	u32 window;
};

#endif /* _HPCAP_DEDUP_TYPES_H */
