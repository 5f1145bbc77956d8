// SPDX-License-Identifier: GPL-2.0-only
#include <linux/string.h>
#include <asm/byteorder.h>

#include "content.h"

/* One step of SplitMix64 by Sebastiano Vigna, which is in the public domain. */
static u64 hpcap_test_mix(u64 n)
{
	n += 0x9e3779b97f4a7c15ull;
	n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9ull;
	n = (n ^ (n >> 27)) * 0x94d049bb133111ebull;
	return n ^ (n >> 31);
}

static void hpcap_test_put16(u8 *to, u32 value)
{
	to[0] = (u8)(value >> 8);
	to[1] = (u8)value;
}

/* Computes the checksum of an IPv4 header (RFC 1071). */
static u32 hpcap_test_checksum(const u8 *ip)
{
	u32 sum = 0;
	int i;

	for (i = 0; i < 20; i += 2)
		sum += (u32)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

void hpcap_test_header(u8 header[HPCAP_TEST_HEADER_BYTES], u32 flow, u32 len)
{
	u8 id[3] = { (u8)(flow >> 16), (u8)(flow >> 8), (u8)flow };
	u64 mixed = hpcap_test_mix(flow & 0xffffff);
	u8 *ip = header + 14;
	u8 random[8];
	int i;

	for (i = 0; i < 8; i++)
		random[i] = (u8)(mixed >> (56 - 8 * i));
	/* Both addresses are locally administered. */
	memcpy(header, ((u8[]){ 0x02, 0x68, 0x70, random[1], random[2], random[7] }), 6);
	memcpy(header + 6, ((u8[]){ 0x06, 0x68, 0x70, id[0], id[1], id[2] }), 6);
	hpcap_test_put16(header + 12, 0x0800);
	memset(ip, 0, 28);
	ip[0] = 0x45;
	hpcap_test_put16(ip + 2, len - 14);
	ip[6] = 0x40;	/* do not fragment */
	ip[8] = 64;
	ip[9] = 17;	/* UDP */
	/* The source address is private, the destination one for benchmarks (RFC 2544). */
	memcpy(ip + 12, ((u8[]){ 10, id[0], id[1], id[2] }), 4);
	memcpy(ip + 16, ((u8[]){ 198, 18 | (random[0] & 1), random[1], random[2] }), 4);
	hpcap_test_put16(ip + 10, hpcap_test_checksum(ip));
	/* The ports are 1024 or above. There is no UDP checksum. */
	memcpy(ip + 20, ((u8[]){ random[3] | 4, random[4], random[5] | 4, random[6] }), 4);
	hpcap_test_put16(ip + 24, len - 34);
}

void hpcap_test_frame(u8 *frame, const u8 header[HPCAP_TEST_HEADER_BYTES], u32 len, u64 seq,
		      u64 ns)
{
	u64 word = hpcap_test_mix(seq);
	__be64 stamp[2] = { cpu_to_be64(seq), cpu_to_be64(ns) };
	__le64 fill;
	u32 at;

	memcpy(frame, header, HPCAP_TEST_HEADER_BYTES);
	frame[42] = 'H';
	frame[43] = 'P';
	memcpy(frame + 44, stamp, sizeof(stamp));
	for (at = HPCAP_TEST_BYTES_MIN; at + 8 <= len; at += 8) {
		fill = cpu_to_le64(word);
		memcpy(frame + at, &fill, 8);
		word += 0x9e3779b97f4a7c15ull;
	}
	fill = cpu_to_le64(word);
	memcpy(frame + at, &fill, len - at);
}
