// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the interface to the poll thread: the receive handler puts each frame into a FIFO, the
 * poll thread takes them out in batches.
 *
 * The handler sees a frame in softirq context, after the packet sockets and after tc, with
 * its MAC header taken off, and with the outermost VLAN tag, if any, beside the frame and not in
 * it (__netif_receive_skb_core() in net/core/dev.c). Both come back, so that what is captured is
 * what was on the wire. Unless it is to be exclusive, the frame goes on to the stack: what is
 * kept is a clone, which shares the bytes.
 *
 * A frame is stamped here, when it has no stamp of its driver: the poll thread comes later.
 *
 * What a sender on the same machine has left to a NIC is done here, as no NIC does it: several
 * frames in one are taken apart, and check sums completed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/if_vlan.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/dst.h>
#ifdef HPCAP_NET_GSO	/* its own header since 6.5 */
#include <net/gso.h>
#endif

#include "tap.h"

unsigned int hpcap_tap_limit = 16384;

/* Ours while the frame is in the FIFO. */
struct hpcap_tap_stamp {
	u64 ns;
};

static struct hpcap_tap_stamp *hpcap_tap_stamp(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct hpcap_tap_stamp) > sizeof(skb->cb));
	return (struct hpcap_tap_stamp *)skb->cb;
}

/* ----------------------------------------------------------------------- handler */

/* Into the FIFO, which becomes the owner, or counted as missed. */
static void hpcap_tap_keep(struct hpcap_tap *tap, struct sk_buff *skb, u64 ns)
{
	bool first, room;

	hpcap_tap_stamp(skb)->ns = ns;
	spin_lock(&tap->fifo.lock);
	first = skb_queue_empty(&tap->fifo);
	room = skb_queue_len(&tap->fifo) < READ_ONCE(hpcap_tap_limit);
	if (room)
		__skb_queue_tail(&tap->fifo, skb);
	spin_unlock(&tap->fifo.lock);
	if (!room) {
		atomic64_inc(&tap->missed);
		kfree_skb(skb);
	} else if (first) {
		hpcap_rxq_wake(tap->adapter, 0);
	}
}

/*
 * The frames that a NIC would have made of this one, as a list (Documentation/networking/
 * segmentation-offloads.rst); itself, if that cannot be done.
 */
static struct sk_buff *hpcap_tap_segment(const struct hpcap_tap *tap, struct sk_buff *skb)
{
	struct sk_buff *segments = NULL;

	/* The stack's clone has the same headers, and they may be written to. */
	if (!skb_cow_head(skb, 0))
		segments = __skb_gso_segment(skb, 0, false);
	if (IS_ERR_OR_NULL(segments)) {
		net_warn_ratelimited("%s: %u bytes in one frame that should have been several; `ethtool -K DEVICE tso off gso off` where it is sent\n",
				     tap->dev->name, skb->len);
		return skb;
	}
	consume_skb(skb);
	return segments;
}

static void hpcap_tap_take(struct hpcap_tap *tap, struct sk_buff *skb)
{
	u64 ns = ktime_to_ns(skb_tstamp(skb) ?: ktime_get_real());
	struct sk_buff *next;

	skb_push(skb, skb->data - skb_mac_header(skb));
	/* Neither a route, nor a connection, nor a socket is to be held while it waits. */
	skb_dst_drop(skb);
	nf_reset_ct(skb);
	skb_orphan(skb);
	if (unlikely(skb_is_gso(skb)))
		skb = hpcap_tap_segment(tap, skb);
	skb_list_walk_safe(skb, skb, next) {
		skb_mark_not_on_list(skb);
		hpcap_tap_keep(tap, skb, ns);
	}
}

rx_handler_result_t hpcap_tap_handle(struct sk_buff **pskb)
{
	struct sk_buff *skb = *pskb;
	struct hpcap_tap *tap = rcu_dereference(skb->dev->rx_handler_data);
	struct sk_buff *ours;

	/* What the machine sends to a group that it is in: not from the wire, and no MAC header. */
	if (unlikely(skb->pkt_type == PACKET_LOOPBACK))
		return RX_HANDLER_PASS;
	ours = tap->exclusive ? skb_share_check(skb, GFP_ATOMIC) : skb_clone(skb, GFP_ATOMIC);
	/* Pages of a sender, which waits for them, are not kept. */
	if (ours && unlikely(skb_orphan_frags_rx(ours, GFP_ATOMIC))) {
		kfree_skb(ours);
		ours = NULL;
	}
	if (likely(ours))
		hpcap_tap_take(tap, ours);
	else
		atomic64_inc(&tap->missed);
	return tap->exclusive ? RX_HANDLER_CONSUMED : RX_HANDLER_PASS;
}

/* ------------------------------------------------------------------- poll thread */

/* As it was on the wire, in one piece; NULL where there is no memory for that. */
static struct sk_buff *hpcap_tap_whole(struct sk_buff *skb)
{
	/* Where there is no memory for that, the frame stays as its sender has left it. */
	if (skb->ip_summed == CHECKSUM_PARTIAL && !skb_is_gso(skb))
		(void)skb_csum_hwoffload_help(skb, 0);
	if (skb_vlan_tag_present(skb)) {
		/* The check sums of the stack are of no use here, and would be moved along. */
		skb->ip_summed = CHECKSUM_NONE;
		skb = __vlan_hwaccel_push_inside(skb);
	}
	if (skb && skb_linearize(skb)) {
		kfree_skb(skb);
		skb = NULL;
	}
	return skb;
}

static u32 hpcap_tap_harvest(void *rx, struct hpcap_batch *batch, u32 n,
			     const struct timespec64 *now)
{
	struct hpcap_tap *tap = rx;
	struct sk_buff_head list;
	struct sk_buff *skb;
	u32 i;

	__skb_queue_head_init(&list);
	spin_lock_bh(&tap->fifo.lock);
	for (i = 0; i < n; i++) {
		skb = __skb_dequeue(&tap->fifo);
		if (!skb)
			break;
		__skb_queue_tail(&list, skb);
	}
	spin_unlock_bh(&tap->fifo.lock);

	n = 0;
	while ((skb = __skb_dequeue(&list))) {
		u64 ns = hpcap_tap_stamp(skb)->ns;
		struct hpcap_frame *f = &batch->frames[n];

		skb = hpcap_tap_whole(skb);
		if (!skb) {
			atomic64_inc(&tap->missed);
			continue;
		}
		f->data = skb->data;
		f->sec = div_u64_rem(ns, NSEC_PER_SEC, &f->nsec);
		f->caplen = skb->len;
		f->len = skb->len;
		f->hash = 0;
		tap->taken[n++] = skb;
	}
	tap->taken_count = n;
	return n;
}

static void hpcap_tap_release(void *rx, u32 n)
{
	struct hpcap_tap *tap = rx;
	u32 i;

	for (i = 0; i < tap->taken_count; i++)
		consume_skb(tap->taken[i]);
	tap->taken_count = 0;
}

/*
 * What the interface lost before it gave us anything is in its own statistics. rx_dropped counts
 * what the stack has no use for, too: it says something only where the stack gets nothing.
 */
static u64 hpcap_tap_missed(const struct hpcap_tap *tap, const struct rtnl_link_stats64 *s)
{
	return s->rx_missed_errors + s->rx_fifo_errors + (tap->exclusive ? s->rx_dropped : 0);
}

static u64 hpcap_tap_errors(const struct rtnl_link_stats64 *s)
{
	return s->rx_crc_errors + s->rx_frame_errors;
}

static u64 hpcap_tap_since(u64 now, u64 before)
{
	/* Statistics that were reset. */
	return now > before ? now - before : 0;
}

static void hpcap_tap_counters(void *rx, struct hpcap_nic_counters *counters)
{
	struct hpcap_tap *tap = rx;
	struct rtnl_link_stats64 now;

	/* Drivers expect one of RCU and rtnl (Documentation/networking/netdevices.rst). */
	rcu_read_lock();
	dev_get_stats(tap->dev, &now);
	rcu_read_unlock();
	counters->missed = atomic64_read(&tap->missed) +
			   hpcap_tap_since(hpcap_tap_missed(tap, &now),
					   hpcap_tap_missed(tap, &tap->before));
	counters->errors = hpcap_tap_since(hpcap_tap_errors(&now), hpcap_tap_errors(&tap->before));
}

const struct hpcap_nic_ops hpcap_tap_ops = {
	.owner = THIS_MODULE,
	.clock_source = "kernel",
	.harvest = hpcap_tap_harvest,
	.release = hpcap_tap_release,
	.counters = hpcap_tap_counters,
};

/* --------------------------------------------------------------------------- life */

struct hpcap_tap *hpcap_tap_create(struct net_device *dev, u32 number, bool exclusive)
{
	struct hpcap_tap *tap = kzalloc(sizeof(*tap), GFP_KERNEL);

	if (!tap)
		return ERR_PTR(-ENOMEM);
	tap->dev = dev;
	tap->number = number;
	tap->exclusive = exclusive;
	skb_queue_head_init(&tap->fifo);
	netdev_hold(dev, &tap->tracker, GFP_KERNEL);
	dev_get_stats(dev, &tap->before);
	return tap;
}

void hpcap_tap_free(struct hpcap_tap *tap)
{
	skb_queue_purge(&tap->fifo);
	hpcap_tap_release(tap, tap->taken_count);
	netdev_put(tap->dev, &tap->tracker);
	kfree(tap);
}
