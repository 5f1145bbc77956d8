/* SPDX-License-Identifier: GPL-2.0-only */
/* The device nodes of queues (chardev.c). */
#ifndef _HPCAP_CHARDEV_H
#define _HPCAP_CHARDEV_H

struct device;
struct hpcap_rxq;

/* Registers the class and the device numbers, once for the module. */
int hpcap_chardev_init(void);
void hpcap_chardev_exit(void);
/*
 * Creates the device node of a queue that is otherwise ready. Initialises rxq->dev first, so the
 * caller drops its reference with put_device() also after an error.
 */
int hpcap_chardev_add(struct hpcap_rxq *rxq, struct device *parent);
/* Removes the device node. Files that are open stay open, and hold a reference of rxq->dev. */
void hpcap_chardev_del(struct hpcap_rxq *rxq);

#endif /* _HPCAP_CHARDEV_H */
