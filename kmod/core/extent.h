/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * Finds how many bytes of a frame distinguish it from the other frames of its flow. For that,
 * hpcap_extent() walks through the headers of all tunnels, to the sequence number, the identifier
 * or the checksum of the innermost payload. dedup.h uses it; like dedup.h it makes no kernel calls.
 *
 * For a frame with an unknown header, or without a number or checksum, the result is 0 unless the
 * whole frame can be compared. Two frames with result 0 are never duplicates of each other.
 */
#ifndef _HPCAP_EXTENT_H
#define _HPCAP_EXTENT_H

#include "platform.h"

/* Most headers of a frame. Only a frame made to waste time has more. */
#define HPCAP_EXTENT_HEADERS	24u
/*
 * Bytes compared from the start of the transport header on. For Ethernet, IPv4 and TCP without a
 * tunnel that makes 70 bytes, as many as the original HPCAP compared.
 */
#define HPCAP_EXTENT_PAYLOAD	36u

struct hpcap_extent {
	u32 need;	/* bytes that must be captured to distinguish the frame */
	u32 limit;	/* most bytes that are compared */
};

/* Type of a header: an EtherType, one of these, or HPCAP_HEADER_PROTOCOL | protocol of IP. */
#define HPCAP_HEADER_ETHERNET	0x10000u
#define HPCAP_HEADER_IP		0x10001u	/* IPv4 or IPv6; its first four bits say which */
#define HPCAP_HEADER_LEAF	0x10002u	/* the walk ends: `need` and `limit` are set */
#define HPCAP_HEADER_UNKNOWN	0x10003u
#define HPCAP_HEADER_PROTOCOL	0x20000u

/* A walk through the headers of a frame. */
struct hpcap_walk {
	const u8 *data;
	u32 bytes;		/* bytes captured */
	u32 len;		/* bytes on the wire */
	u32 at;			/* offset of the next header */
	u32 identified;		/* not 0: the innermost IP header so far identifies its datagram */
	struct hpcap_extent extent;
};

static inline u32 hpcap_walk_word(const struct hpcap_walk *w, u32 at)
{
	return (u32)w->data[w->at + at] << 8 | w->data[w->at + at + 1];
}

static inline int hpcap_walk_has(const struct hpcap_walk *w, u32 bytes)
{
	return bytes <= w->bytes - w->at;
}

/* Skips a header of `bytes` bytes, and returns the type of the next header. */
static inline u32 hpcap_walk_pass(struct hpcap_walk *w, u32 bytes, u32 next)
{
	if (!hpcap_walk_has(w, bytes))
		return HPCAP_HEADER_UNKNOWN;
	w->at += bytes;
	return next;
}

/* Ends the walk at a header whose first `bytes` bytes distinguish the frame. */
static inline u32 hpcap_walk_leaf(struct hpcap_walk *w, u32 bytes)
{
	w->extent.need = w->at + bytes;
	w->extent.limit = w->at + HPCAP_EXTENT_PAYLOAD;
	return HPCAP_HEADER_LEAF;
}

/* Converts the type field of a header. A value below 0x600 is a length (LLC), not an EtherType. */
static inline u32 hpcap_walk_type(u32 type)
{
	return type == 0x6558 ? HPCAP_HEADER_ETHERNET : type < 0x600 ? HPCAP_HEADER_UNKNOWN : type;
}

/* Skips an IPv4 header (RFC 791), or ends the walk at a fragment. */
static inline u32 hpcap_walk_ipv4(struct hpcap_walk *w)
{
	u32 header, total, protocol;

	if (!hpcap_walk_has(w, 20) || w->data[w->at] >> 4 != 4)
		return HPCAP_HEADER_UNKNOWN;
	header = (w->data[w->at] & 15u) * 4;
	total = hpcap_walk_word(w, 2);
	if (header < 20 || total < header || total > w->len - w->at || !hpcap_walk_has(w, header))
		return HPCAP_HEADER_UNKNOWN;
	w->identified = !!hpcap_walk_word(w, 4);
	protocol = w->data[w->at + 9];
	/* A fragment: the identification and the offset of its header distinguish it. */
	if (hpcap_walk_word(w, 6) & 0x3fff) {
		w->at += header;
		return w->identified ? hpcap_walk_leaf(w, 0) : HPCAP_HEADER_UNKNOWN;
	}
	return hpcap_walk_pass(w, header, HPCAP_HEADER_PROTOCOL | protocol);
}

/* Skips an IPv6 header (RFC 8200). */
static inline u32 hpcap_walk_ipv6(struct hpcap_walk *w)
{
	if (!hpcap_walk_has(w, 40) || w->data[w->at] >> 4 != 6)
		return HPCAP_HEADER_UNKNOWN;
	w->identified = 0;
	return hpcap_walk_pass(w, 40, HPCAP_HEADER_PROTOCOL | w->data[w->at + 6]);
}

/* Skips an IPv6 extension header of (length field + `more`) * `unit` bytes. */
static inline u32 hpcap_walk_extension(struct hpcap_walk *w, u32 unit, u32 more)
{
	if (!hpcap_walk_has(w, 8))
		return HPCAP_HEADER_UNKNOWN;
	return hpcap_walk_pass(w, (w->data[w->at + 1] + more) * unit,
			       HPCAP_HEADER_PROTOCOL | w->data[w->at]);
}

static inline u32 hpcap_walk_fragment(struct hpcap_walk *w)
{
	if (!hpcap_walk_has(w, 8))
		return HPCAP_HEADER_UNKNOWN;
	if (hpcap_walk_word(w, 2) & 0xfff9)
		return hpcap_walk_leaf(w, 8);
	return hpcap_walk_pass(w, 8, HPCAP_HEADER_PROTOCOL | w->data[w->at]);
}

/*
 * RFC 3032. No label says what follows the label stack, so the first four bits behind it decide:
 * 4 or 6 is IP (RFC 4928), 0 is a control word of a pseudowire (RFC 4385).
 */
static inline u32 hpcap_walk_mpls(struct hpcap_walk *w)
{
	u32 bottom;

	do {
		if (!hpcap_walk_has(w, 5))
			return HPCAP_HEADER_UNKNOWN;
		bottom = w->data[w->at + 2] & 1;
		w->at += 4;
	} while (!bottom);
	switch (w->data[w->at] >> 4) {
	case 4:
	case 6:
		return HPCAP_HEADER_IP;
	case 0:
		return hpcap_walk_pass(w, 4, HPCAP_HEADER_ETHERNET);
	default:
		return HPCAP_HEADER_ETHERNET;
	}
}

/* Skips a GRE header (RFC 2784, RFC 2890) and one of ERSPAN (draft-foschiano-erspan). */
static inline u32 hpcap_walk_gre(struct hpcap_walk *w)
{
	u32 flags, type, header, next;

	if (!hpcap_walk_has(w, 4))
		return HPCAP_HEADER_UNKNOWN;
	flags = hpcap_walk_word(w, 0);
	type = hpcap_walk_word(w, 2);
	/* Source routes, and version 1, which PPTP uses, are not supported. */
	if (flags & 0x4007)
		return HPCAP_HEADER_UNKNOWN;
	header = 4 + !!(flags & 0x8000) * 4 + !!(flags & 0x2000) * 4 + !!(flags & 0x1000) * 4;
	next = hpcap_walk_pass(w, header, hpcap_walk_type(type));
	if (next == 0x88be)
		return hpcap_walk_pass(w, flags & 0x1000 ? 8 : 0, HPCAP_HEADER_ETHERNET);
	if (next == 0x22eb) {
		if (!hpcap_walk_has(w, 12))
			return HPCAP_HEADER_UNKNOWN;
		return hpcap_walk_pass(w, w->data[w->at + 11] & 1 ? 20 : 12,
				       HPCAP_HEADER_ETHERNET);
	}
	return next;
}

/* The header of GTP-U behind the UDP header: 3GPP TS 29.281, section 5.1. */
static inline u32 hpcap_walk_gtp(struct hpcap_walk *w)
{
	u32 flags = w->data[w->at], header = 8, next;

	if (flags & 7) {
		if (!hpcap_walk_has(w, 12))
			return HPCAP_HEADER_UNKNOWN;
		next = flags & 4 ? w->data[w->at + 11] : 0;
		header = 12;
		while (next) {
			u32 bytes;

			if (!hpcap_walk_has(w, header + 1))
				return HPCAP_HEADER_UNKNOWN;
			bytes = w->data[w->at + header] * 4u;
			if (!bytes || !hpcap_walk_has(w, header + bytes))
				return HPCAP_HEADER_UNKNOWN;
			header += bytes;
			next = w->data[w->at + header - 1];
		}
	}
	return hpcap_walk_pass(w, header, HPCAP_HEADER_IP);
}

/* Recognises a tunnel over UDP by its port. HPCAP_HEADER_UNKNOWN: it is no known tunnel. */
static inline u32 hpcap_walk_udp_tunnel(struct hpcap_walk *w)
{
	static const u32 protocols[] = {
		HPCAP_HEADER_UNKNOWN, 0x0800, 0x86dd, HPCAP_HEADER_ETHERNET,
	};
	u32 port = hpcap_walk_word(w, 2), flags, next;

	if (!hpcap_walk_has(w, 16))
		return HPCAP_HEADER_UNKNOWN;
	flags = w->data[w->at + 8];
	switch (port) {
	case 4789:	/* VXLAN, RFC 7348; Linux used 8472 before the number was assigned */
	case 8472:
		return flags & 8 ? hpcap_walk_pass(w, 16, HPCAP_HEADER_ETHERNET) :
				   HPCAP_HEADER_UNKNOWN;
	case 4790:	/* VXLAN-GPE */
		next = w->data[w->at + 11];
		return next < 4 ? hpcap_walk_pass(w, 16, protocols[next]) : HPCAP_HEADER_UNKNOWN;
	case 6081:	/* GENEVE, RFC 8926 */
		return flags >> 6 ? HPCAP_HEADER_UNKNOWN :
				    hpcap_walk_pass(w, 16 + (flags & 0x3f) * 4,
						    hpcap_walk_type(hpcap_walk_word(w, 10)));
	case 6635:	/* MPLS in UDP, RFC 7510 */
		return hpcap_walk_pass(w, 8, 0x8847);
	case 4754:	/* GRE in UDP, RFC 8086 */
		return hpcap_walk_pass(w, 8, HPCAP_HEADER_PROTOCOL | 47);
	case 2152:	/* GTP-U; only a G-PDU carries a packet */
		if ((flags & 0xf0) != 0x30 || w->data[w->at + 9] != 255)
			return HPCAP_HEADER_UNKNOWN;
		w->at += 8;
		return hpcap_walk_gtp(w);
	default:
		return HPCAP_HEADER_UNKNOWN;
	}
}

static inline u32 hpcap_walk_udp(struct hpcap_walk *w)
{
	u32 at = w->at, summed, next;

	if (!hpcap_walk_has(w, 8))
		return HPCAP_HEADER_UNKNOWN;
	summed = !!hpcap_walk_word(w, 6);
	next = hpcap_walk_udp_tunnel(w);
	if (next != HPCAP_HEADER_UNKNOWN)
		return next;
	w->at = at;
	/* Without a checksum and an IP identification, nothing distinguishes the datagram. */
	return summed || w->identified ? hpcap_walk_leaf(w, 8) : HPCAP_HEADER_UNKNOWN;
}

/* Handles the header behind an IP header; `type` is HPCAP_HEADER_PROTOCOL | protocol number. */
static inline u32 hpcap_walk_protocol(struct hpcap_walk *w, u32 type)
{
	switch (type & 0xff) {
	case 0:		/* hop-by-hop options, routing, destination options, mobility */
	case 43:
	case 60:
	case 135:
		return hpcap_walk_extension(w, 8, 1);
	case 51:	/* AH, RFC 4302 */
		return hpcap_walk_extension(w, 4, 2);
	case 44:
		return hpcap_walk_fragment(w);
	case 4:
		return 0x0800;
	case 41:
		return 0x86dd;
	case 47:
		return hpcap_walk_gre(w);
	case 97:	/* EtherIP, RFC 3378 */
		return hpcap_walk_pass(w, 2, HPCAP_HEADER_ETHERNET);
	case 137:	/* MPLS in IP, RFC 4023 */
		return 0x8847;
	case 17:
		return hpcap_walk_udp(w);
	case 6:		/* TCP: sequence number and checksum */
		return hpcap_walk_leaf(w, 18);
	case 89:	/* OSPF: checksum */
		return hpcap_walk_leaf(w, 14);
	case 33:	/* DCCP, SCTP */
	case 132:
		return hpcap_walk_leaf(w, 12);
	case 1:		/* ICMP, IGMP, ESP, ICMPv6, PIM, VRRP: a checksum or number in 8 bytes */
	case 2:
	case 50:
	case 58:
	case 103:
	case 112:
		return hpcap_walk_leaf(w, 8);
	default:
		return HPCAP_HEADER_UNKNOWN;
	}
}

/* Handles a header whose type is an EtherType, HPCAP_HEADER_ETHERNET or HPCAP_HEADER_IP. */
static inline u32 hpcap_walk_link(struct hpcap_walk *w, u32 type)
{
	u32 protocol;

	switch (type) {
	case HPCAP_HEADER_ETHERNET:
		if (!hpcap_walk_has(w, 14))
			return HPCAP_HEADER_UNKNOWN;
		return hpcap_walk_pass(w, 14, hpcap_walk_type(hpcap_walk_word(w, 12)));
	case HPCAP_HEADER_IP:
		if (!hpcap_walk_has(w, 1))
			return HPCAP_HEADER_UNKNOWN;
		return w->data[w->at] >> 4 == 6 ? 0x86dd : 0x0800;
	case 0x0800:
		return hpcap_walk_ipv4(w);
	case 0x86dd:
		return hpcap_walk_ipv6(w);
	case 0x8100:	/* VLAN tags: hpcap_dedup_is_vlan() */
	case 0x88a8:
	case 0x9100:
		if (!hpcap_walk_has(w, 4))
			return HPCAP_HEADER_UNKNOWN;
		return hpcap_walk_pass(w, 4, hpcap_walk_type(hpcap_walk_word(w, 2)));
	case 0x8847:
	case 0x8848:
		return hpcap_walk_mpls(w);
	case 0x8864:	/* PPPoE session, RFC 2516 */
		if (!hpcap_walk_has(w, 8))
			return HPCAP_HEADER_UNKNOWN;
		protocol = hpcap_walk_word(w, 6);
		return hpcap_walk_pass(w, 8, protocol == 0x21 ? 0x0800 :
					     protocol == 0x57 ? 0x86dd : HPCAP_HEADER_UNKNOWN);
	case 0x88e7:	/* IEEE 802.1ah: a whole Ethernet frame follows */
		return hpcap_walk_pass(w, 4, HPCAP_HEADER_ETHERNET);
	case 0x0806:	/* ARP */
		return hpcap_walk_leaf(w, 28);
	case 0x88e5:	/* MACsec: packet number */
		return hpcap_walk_leaf(w, 6);
	default:
		return HPCAP_HEADER_UNKNOWN;
	}
}

/* Skips the header of the link type (LINKTYPE_ value), and returns the type of the next header. */
static inline u32 hpcap_walk_begin(struct hpcap_walk *w, u32 link_type)
{
	switch (link_type) {
	case 1:
		return HPCAP_HEADER_ETHERNET;
	case 101:	/* RAW, IPV4, IPV6 */
	case 228:
	case 229:
		return HPCAP_HEADER_IP;
	case 113:	/* LINUX_SLL */
		if (!hpcap_walk_has(w, 16))
			return HPCAP_HEADER_UNKNOWN;
		return hpcap_walk_pass(w, 16, hpcap_walk_type(hpcap_walk_word(w, 14)));
	case 276:	/* LINUX_SLL2 */
		if (!hpcap_walk_has(w, 20))
			return HPCAP_HEADER_UNKNOWN;
		return hpcap_walk_pass(w, 20, hpcap_walk_type(hpcap_walk_word(w, 0)));
	default:
		return HPCAP_HEADER_UNKNOWN;
	}
}

/*
 * Returns how many bytes of a frame to compare, at most `most`, or 0 when nothing distinguishes the
 * frame. A frame with an unknown header is compared as a whole, when it was captured as a whole
 * and has at most `most` bytes.
 */
static inline u32 hpcap_extent(const u8 *data, u32 caplen, u32 len, u32 link_type, u32 most)
{
	struct hpcap_walk w = { .data = data, .bytes = caplen, .len = len };
	u32 headers, type = hpcap_walk_begin(&w, link_type), bytes;

	for (headers = 0; headers < HPCAP_EXTENT_HEADERS && type != HPCAP_HEADER_UNKNOWN &&
	     type != HPCAP_HEADER_LEAF; headers++)
		type = type & HPCAP_HEADER_PROTOCOL ? hpcap_walk_protocol(&w, type) :
						      hpcap_walk_link(&w, type);
	if (type != HPCAP_HEADER_LEAF)
		return caplen == len && caplen <= most ? caplen : 0;
	bytes = caplen < w.extent.limit ? caplen : w.extent.limit;
	if (bytes > most)
		bytes = most;
	/* The bytes do not reach as far as needed; a whole frame can still be compared. */
	if (bytes < w.extent.need)
		return caplen == len && caplen <= most ? caplen : 0;
	return bytes;
}

#endif /* _HPCAP_EXTENT_H */
