/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A network interface whose frames are captured.
 */
#ifndef _HPCAP_NETDEV_TAP_H
#define _HPCAP_NETDEV_TAP_H

#include <linux/netdevice.h>
#include <linux/skbuff.h>

#include <nic.h>

struct hpcap_tap {
	struct list_head list;		/* attach.c; under rtnl */
	struct hpcap_adapter *adapter;
	struct net_device *dev;
	netdevice_tracker tracker;
	u32 number;
	netdev_features_t switched_off;	/* features to be switched on again */
	bool exclusive;			/* the stack does not get the frames */

	struct sk_buff_head fifo;	/* frames from the interface, oldest first */
	atomic64_t missed;		/* frames lost for want of room in the FIFO or of memory */
	struct rtnl_link_stats64 before;	/* the interface's when it was attached */
	/* Frames that were harvested and not released yet; used by the poll thread alone. */
	struct sk_buff *taken[HPCAP_BATCH];
	u32 taken_count;
};

/* Most frames of an interface that wait for the poll thread. */
extern unsigned int hpcap_tap_limit;

extern const struct hpcap_nic_ops hpcap_tap_ops;

/* Creates a tap without frames, or returns ERR_PTR(-ENOMEM). */
struct hpcap_tap *hpcap_tap_create(struct net_device *dev, u32 number, bool exclusive);
/* Frees a tap whose handler and queue are gone. */
void hpcap_tap_free(struct hpcap_tap *tap);
/* The Rx handler of the interface; rx_handler_data is the tap. */
rx_handler_result_t hpcap_tap_handle(struct sk_buff **pskb);

/* attach.c: names of interfaces are those of the caller's network namespace. */

/* "eth0:3" or several, with commas between: captured as hpcap3 from now on. */
int hpcap_tap_attach(const char *list, bool exclusive);
/* "eth0": no longer. */
int hpcap_tap_detach(const char *name);
/* What is attached, as hpcap_tap_attach() takes it. Returns the number of bytes. */
int hpcap_tap_show(char *page);
int hpcap_tap_init(void);
/* Nothing is attached any more, nor can be. */
void hpcap_tap_exit(void);

#endif /* _HPCAP_NETDEV_TAP_H */
