/* SPDX-License-Identifier: GPL-2.0-only */
/* Where poll threads run, and with which priority (place.c). */
#ifndef _HPCAP_PLACE_H
#define _HPCAP_PLACE_H

struct hpcap_rxq;
struct task_struct;

/* Returns the CPU for a new poll thread, near a NUMA node, and counts the thread there. */
int hpcap_place_choose(int node);
/* Counts a poll thread at a CPU, and no longer at another one. -1 is no CPU. */
void hpcap_place_move(int from, int to);

/* Gives a thread the priority of a setting: a nice value, or HPCAP_PRIORITY_FIFO. */
void hpcap_place_prioritise(struct task_struct *thread, int priority);

/*
 * Keep CPUs out of idle states that take long to leave, from "up" to "down". Under rxq->lock. May
 * be called twice.
 */
void hpcap_place_wakeful(struct hpcap_rxq *rxq);
void hpcap_place_restful(struct hpcap_rxq *rxq);

#endif /* _HPCAP_PLACE_H */
