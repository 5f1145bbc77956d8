/* SPDX-License-Identifier: GPL-2.0-only */
/* The poll thread of a queue (poll.c). */
#ifndef _HPCAP_POLL_H
#define _HPCAP_POLL_H

struct hpcap_rxq;

/* Creates the poll thread, which does nothing before hpcap_poll_start(). */
int hpcap_poll_create(struct hpcap_rxq *rxq);
/* Lets the poll thread run, on the CPU of the settings. Takes `lock`. */
void hpcap_poll_start(struct hpcap_rxq *rxq);
/* Stops the poll thread, and waits until it has ended. Under `lock`, so that no change waits. */
void hpcap_poll_stop(struct hpcap_rxq *rxq);
/* Binds the poll thread to a CPU, or with -1 to the CPUs of the NIC's node. Takes `lock`. */
int hpcap_poll_bind(struct hpcap_rxq *rxq, int cpu);
/* Gives the poll thread the priority of a setting. Takes `lock`. */
int hpcap_poll_prioritise(struct hpcap_rxq *rxq, int priority);

#endif /* _HPCAP_POLL_H */
