/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test frames that contain their sequence number, from which every other byte can be computed.
 * hpcapd's source `gen:` makes the same frames (crates/hpcap-source/src/generator/content.rs), so
 * the same checks work for both.
 *
 * A frame has headers of Ethernet, IPv4 and UDP, 2 bytes of magic, the sequence number and the time
 * (8 bytes each, most significant byte first), and bytes that follow from the sequence number. The
 * source address contains the number of the flow; the other addresses and the ports follow from
 * that number.
 */
#ifndef _HPCAP_TESTNIC_CONTENT_H
#define _HPCAP_TESTNIC_CONTENT_H

#include <linux/types.h>

#define HPCAP_TEST_HEADER_BYTES	42
/* The shortest frame: headers, magic, sequence number and time. */
#define HPCAP_TEST_BYTES_MIN	60
/* The longest frame: the length field of IP has 16 bits. */
#define HPCAP_TEST_BYTES_MAX	65535

/* Makes the headers of frames of `len` bytes in a flow; 24 bits of `flow` are used. */
void hpcap_test_header(u8 header[HPCAP_TEST_HEADER_BYTES], u32 flow, u32 len);
/* Makes a whole frame. `len` is the length that its header was made for. */
void hpcap_test_frame(u8 *frame, const u8 header[HPCAP_TEST_HEADER_BYTES], u32 len, u64 seq,
		      u64 ns);

#endif /* _HPCAP_TESTNIC_CONTENT_H */
