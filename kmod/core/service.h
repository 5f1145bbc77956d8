/* SPDX-License-Identifier: GPL-2.0-only */
/* The regular service of a ring and its listeners (service.c), by its poll thread. */
#ifndef _HPCAP_SERVICE_H
#define _HPCAP_SERVICE_H

#include <linux/ktime.h>

struct hpcap_rxq;

/* Calls hpcap_ring_service() with the current time, and wakes the listeners. */
void hpcap_rxq_service(struct hpcap_rxq *rxq);
/* As hpcap_rxq_service(), with a clock that the caller has just read. */
void hpcap_rxq_service_at(struct hpcap_rxq *rxq, ktime_t clock);
/*
 * Starts a new file after the capture length or the filter has changed, so that the header of every
 * file describes all of its frames.
 */
void hpcap_rxq_new_file(struct hpcap_rxq *rxq);

#endif /* _HPCAP_SERVICE_H */
