/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A network interface whose frames are captured.
 */
#ifndef _HPCAP_NETDEV_TAP_H
#define _HPCAP_NETDEV_TAP_H

#include <linux/llist.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>

#include <nic.h>

struct hpcap_tap {
	struct list_head list;		/* attach.c; under rtnl */
	struct llist_node in_ended;	/* attach.c */
	struct hpcap_adapter *adapter;	/* NULL: it has none yet */
	struct net_device *dev;		/* NULL once the tap has ended */
	netdevice_tracker tracker;
	u32 number;
	netdev_features_t switched_off;	/* features to switch on again at the end */
	bool exclusive;			/* the stack does not get the frames */

	struct sk_buff_head fifo;	/* frames from the interface, oldest first */
	u64 last_ns;			/* time of the last frame in the FIFO; under its lock */
	atomic64_t missed;		/* frames lost for want of room in the FIFO or of memory */
	struct rtnl_link_stats64 before;	/* statistics when the interface was attached */
	/* Frames that were harvested and not released yet; used by the poll thread alone. */
	struct sk_buff *taken[HPCAP_BATCH];
	u32 taken_count;
};

/* Most frames of an interface that wait for the poll thread. */
extern unsigned int hpcap_tap_limit;

extern const struct hpcap_nic_ops hpcap_tap_ops;

/* Creates a tap without frames, or returns ERR_PTR(-ENOMEM). */
struct hpcap_tap *hpcap_tap_create(struct net_device *dev, u32 number, bool exclusive);
/* Lets go of the interface. From then on, the tap can only be freed. */
void hpcap_tap_put_interface(struct hpcap_tap *tap);
/*
 * Frees a tap whose handler and queue are gone, with its adapter. Large rings take seconds to free,
 * so the caller does not hold rtnl.
 */
void hpcap_tap_free(struct hpcap_tap *tap);
/* The Rx handler of the interface; rx_handler_data is the tap. */
rx_handler_result_t hpcap_tap_handle(struct sk_buff **pskb);

/* attach.c: names of interfaces are looked up in the caller's network namespace. */

/*
 * Attaches interfaces. `list` is "NAME:NUMBER", or several of these with commas between;
 * "eth0:3" captures eth0 as hpcap3.
 */
int hpcap_tap_attach(const char *list, bool exclusive);
/* Detaches the interface `name`. Returns -ENODEV when it is not attached. */
int hpcap_tap_detach(const char *name);
/* Prints the attached interfaces as hpcap_tap_attach() takes them. Returns the number of bytes. */
int hpcap_tap_show(char *page);
int hpcap_tap_init(void);
/* Detaches all interfaces, and refuses further ones. */
void hpcap_tap_exit(void);

#endif /* _HPCAP_NETDEV_TAP_H */
