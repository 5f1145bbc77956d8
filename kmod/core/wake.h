/* SPDX-License-Identifier: GPL-2.0-only */
/* Wakes sleeping listeners (wake.c). */
#ifndef _HPCAP_WAKE_H
#define _HPCAP_WAKE_H

#include <linux/types.h>

struct hpcap_rxq;
struct work_struct;

/* Wakes an idle poll thread, which harvests at once. From any context. */
void hpcap_rxq_kick(struct hpcap_rxq *rxq);

/*
 * These let workers wake the listeners of the slots whose bits are set, and those who wait for
 * `changed` of the queue. Called by the poll thread.
 */
void hpcap_wake_listeners(struct hpcap_rxq *rxq, u32 slots);
void hpcap_wake_changed(struct hpcap_rxq *rxq);

/* The functions of hpcap_client.waking and hpcap_rxq.waking. */
void hpcap_client_waking(struct work_struct *work);
void hpcap_rxq_waking(struct work_struct *work);

int hpcap_wake_init(void);
void hpcap_wake_exit(void);

#endif /* _HPCAP_WAKE_H */
