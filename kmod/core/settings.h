/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The settings of a queue, and their text form. A new queue gets the values of the module's
 * parameters; the files in /sys/class/hpcap/hpcap_N_Q/ change them later.
 */
#ifndef _HPCAP_SETTINGS_H
#define _HPCAP_SETTINGS_H

#include <linux/types.h>

/* What the poll thread does while the NIC has no frame; poll.c describes the cost of each. */
enum hpcap_poll {
	HPCAP_POLL_ADAPTIVE,
	HPCAP_POLL_BUSY,
};

/* What happens to frames while a lossless listener holds the ring back. */
enum hpcap_full {
	/*
	 * Frames are dropped and accounted for as ring_full. The NIC's ring stays free for frames
	 * that arrive when the ring has room again.
	 */
	HPCAP_FULL_DROP,
	/*
	 * Frames stay in the NIC, whose ring fills up. Further frames are lost there, and accounted
	 * for as nic_missed, unless the link has flow control or the sender waits. A stall loses no
	 * frame as long as the NIC's ring can hold all frames that arrive meanwhile.
	 */
	HPCAP_FULL_HOLD,
};

/*
 * The poll thread comes before all threads that have no real-time priority (SCHED_FIFO, priority
 * 50). docs/driver.md says what that costs.
 */
#define HPCAP_PRIORITY_FIFO	100

struct hpcap_settings {
	u64 ring_bytes;
	enum hpcap_poll poll;
	enum hpcap_full when_full;
	u32 caplen;		/* 0: whole frames */
	int cpu;		/* CPU of the poll thread; -1: any CPU of the NIC's node */
	int priority;		/* nice value of the poll thread, or HPCAP_PRIORITY_FIFO */
	bool plain;		/* the next ring contains no tags */
	bool look_back;		/* the next ring captures without listeners, too */
};

/* The text form of one setting. */
struct hpcap_setting {
	/* Parses text, with or without a trailing newline. -EINVAL changes nothing. */
	int (*parse)(const char *text, struct hpcap_settings *settings);
	/* Prints the setting as a line into a page of sysfs. Returns the line's length. */
	int (*show)(char *page, const struct hpcap_settings *settings);
};

extern const struct hpcap_setting hpcap_setting_ring_bytes;	/* "64M", "3G", "1048576" */
extern const struct hpcap_setting hpcap_setting_poll;
extern const struct hpcap_setting hpcap_setting_when_full;
extern const struct hpcap_setting hpcap_setting_caplen;
extern const struct hpcap_setting hpcap_setting_cpu;		/* -1, or an online CPU */
extern const struct hpcap_setting hpcap_setting_priority;	/* -20 to 19, or "fifo" */
extern const struct hpcap_setting hpcap_setting_plain;
extern const struct hpcap_setting hpcap_setting_look_back;

/* Returns the current values of the module's parameters. */
struct hpcap_settings hpcap_default_settings(void);

#endif /* _HPCAP_SETTINGS_H */
