/* SPDX-License-Identifier: GPL-2.0-only */
/* Wakes sleeping listeners (wake.c). */
#ifndef _HPCAP_WAKE_H
#define _HPCAP_WAKE_H

#include <linux/types.h>

struct hpcap_rxq;

/* Wakes an idle poll thread, which harvests at once. From any context. */
void hpcap_rxq_kick(struct hpcap_rxq *rxq);

/* Wakes the listeners of the slots whose bits are set. Called by the poll thread. */
void hpcap_wake_listeners(struct hpcap_rxq *rxq, u32 slots);

#endif /* _HPCAP_WAKE_H */
