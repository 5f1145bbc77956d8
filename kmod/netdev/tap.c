// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves frames from an interface to the poll thread: the receive handler puts each frame into a
 * FIFO, and the poll thread takes them out in batches.
 *
 * The handler gets a frame in softirq context, after the packet sockets and after tc, with its MAC
 * header pulled, and with the outermost VLAN tag, if any, in the skb's metadata
 * (__netif_receive_skb_core() in net/core/dev.c). Both are put back, so that the captured frame is
 * the frame on the wire. Unless the tap is exclusive, the stack goes on with the frame, and the tap
 * keeps a clone, which shares the bytes.
 *
 * The handler stamps a frame without a time stamp of its driver, because the poll thread takes it
 * later. Several CPUs do so at the same time, so it stamps the frame when it holds the lock of the
 * FIFO: the times of the frames in the FIFO never go back unless the clock was set. A frame that
 * has a time stamp before, but comes behind a later one, gets the later one's.
 *
 * A sender on the same machine leaves segmentation and checksums to a NIC. No NIC takes part here,
 * so this file splits such frames, and completes their checksums.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/if_vlan.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/dst.h>
#ifdef HPCAP_NET_GSO	/* GSO has a header of its own since 6.5 */
#include <net/gso.h>
#endif

#include "tap.h"

unsigned int hpcap_tap_limit = 16384;

/* A time that goes back by more than two CPUs can do that race for the FIFO: the clock was set. */
#define HPCAP_TAP_CLOCK_SET_NS	(1ull * NSEC_PER_SEC)

/* Contents of skb->cb while the frame is in the FIFO. */
struct hpcap_tap_stamp {
	u64 ns;
};

static struct hpcap_tap_stamp *hpcap_tap_stamp(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct hpcap_tap_stamp) > sizeof(skb->cb));
	return (struct hpcap_tap_stamp *)skb->cb;
}

/* ----------------------------------------------------------------------- handler */

/* Returns the time of the next frame in the FIFO; `ns` is its time stamp, or 0. Under its lock. */
static u64 hpcap_tap_time(struct hpcap_tap *tap, u64 ns)
{
	if (!ns)
		ns = ktime_get_real_ns();
	if (unlikely(ns < tap->last_ns && tap->last_ns - ns < HPCAP_TAP_CLOCK_SET_NS))
		return tap->last_ns;
	tap->last_ns = ns;
	return ns;
}

/*
 * Moves the frame into the FIFO; `ns` is its time stamp, or 0. When the FIFO is full, frees the
 * frame, and counts it as missed.
 */
static void hpcap_tap_keep(struct hpcap_tap *tap, struct sk_buff *skb, u64 ns)
{
	bool first, room;

	spin_lock(&tap->fifo.lock);
	hpcap_tap_stamp(skb)->ns = hpcap_tap_time(tap, ns);
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
 * Splits a frame into the list of frames that a NIC would have made of it (Documentation/
 * networking/segmentation-offloads.rst). Returns the frame itself when that fails.
 */
static struct sk_buff *hpcap_tap_segment(const struct hpcap_tap *tap, struct sk_buff *skb)
{
	struct sk_buff *segments = NULL;

	/* The segmentation writes to the headers, which the stack's clone shares until now. */
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
	u64 ns = ktime_to_ns(skb_tstamp(skb));
	struct sk_buff *next;

	skb_push(skb, skb->data - skb_mac_header(skb));
	/* A frame that waits must not hold a route, a connection or a socket. */
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

	/* A frame that the machine sends to its own multicast group: it has no MAC header. */
	if (unlikely(skb->pkt_type == PACKET_LOOPBACK))
		return RX_HANDLER_PASS;
	ours = tap->exclusive ? skb_share_check(skb, GFP_ATOMIC) : skb_clone(skb, GFP_ATOMIC);
	/* Copies pages that a zerocopy sender waits for. */
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

/* Makes the frame as it was on the wire, and contiguous. Returns NULL without memory for that. */
static struct sk_buff *hpcap_tap_whole(struct sk_buff *skb)
{
	/* Without memory for the checksum, the frame stays as its sender has left it. */
	if (skb->ip_summed == CHECKSUM_PARTIAL && !skb_is_gso(skb))
		(void)skb_csum_hwoffload_help(skb, 0);
	if (skb_vlan_tag_present(skb)) {
		/* Saves the update of the stack's checksum, which is not used any more. */
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
		f->flags = 0;
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
 * Returns the frames that the interface lost before the handler, from its own statistics.
 * rx_dropped also counts frames that the stack does not need, so it counts only for an exclusive
 * tap, whose frames do not reach the stack.
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
	/* Statistics that were reset count as no loss. */
	return now > before ? now - before : 0;
}

static void hpcap_tap_counters(void *rx, struct hpcap_nic_counters *counters)
{
	struct hpcap_tap *tap = rx;
	struct rtnl_link_stats64 now;

	/* Drivers expect RCU or rtnl to be held (Documentation/networking/netdevices.rst). */
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
	.own_times = true,
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
	return tap;
}

void hpcap_tap_put_interface(struct hpcap_tap *tap)
{
	netdev_put(tap->dev, &tap->tracker);
	tap->dev = NULL;
}

void hpcap_tap_free(struct hpcap_tap *tap)
{
	skb_queue_purge(&tap->fifo);
	hpcap_tap_release(tap, tap->taken_count);
	if (tap->adapter)
		hpcap_adapter_free(tap->adapter);
	kfree(tap);
}
