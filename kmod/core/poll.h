/* SPDX-License-Identifier: GPL-2.0-only */
/* The poll thread of a queue (poll.c). */
#ifndef _HPCAP_POLL_H
#define _HPCAP_POLL_H

struct hpcap_rxq;

/* Creates the poll thread, which does nothing before it is woken for the first time. */
int hpcap_poll_create(struct hpcap_rxq *rxq);
/* Stops the poll thread, and waits until it has ended. */
void hpcap_poll_stop(struct hpcap_rxq *rxq);
/* Binds the poll thread to a CPU, or with -1 to the CPUs of the NIC's node. */
int hpcap_poll_bind(struct hpcap_rxq *rxq, int cpu);

#endif /* _HPCAP_POLL_H */
