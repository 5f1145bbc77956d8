/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames that say which one they are, and of which every byte is known: the same as hpcapd's
 * source `gen:` makes (crates/hpcap-source/src/generator/content.rs), so that whatever checks
 * those checks these.
 *
 * Ethernet, IPv4, UDP, then 2 bytes of magic, sequence number and time, 8 bytes each, most
 * significant byte first, then a fill that follows from the sequence number. The flow's number is
 * in the source address, and the other addresses and the ports follow from it.
 */
#ifndef _HPCAP_TESTNIC_CONTENT_H
#define _HPCAP_TESTNIC_CONTENT_H

#include <linux/types.h>

#define HPCAP_TEST_HEADER_BYTES	42
/* Headers and stamp. */
#define HPCAP_TEST_BYTES_MIN	60
/* What IP's length field can say. */
#define HPCAP_TEST_BYTES_MAX	65535

/* The headers of a flow (24 bits count), of frames of `len` bytes. */
void hpcap_test_header(u8 header[HPCAP_TEST_HEADER_BYTES], u32 flow, u32 len);
/* A whole frame; `len` as its header says. */
void hpcap_test_frame(u8 *frame, const u8 header[HPCAP_TEST_HEADER_BYTES], u32 len, u64 seq,
		      u64 ns);

#endif /* _HPCAP_TESTNIC_CONTENT_H */
