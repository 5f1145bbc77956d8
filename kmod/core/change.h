/* SPDX-License-Identifier: GPL-2.0-only */
/* Changes of a queue, which its poll thread makes between two batches (change.c). */
#ifndef _HPCAP_CHANGE_H
#define _HPCAP_CHANGE_H

#include <linux/types.h>

struct hpcap_rxq;

/*
 * Makes a change of the ring or of the harvest. It must not sleep for long, because no frame is
 * harvested meanwhile: memory is allocated before, and freed after.
 */
typedef void hpcap_change_fn(struct hpcap_rxq *rxq, void *data);

/*
 * Lets the poll thread call `make`, and waits until it has. Once the poll thread has ended, calls
 * `make` itself. Under `lock`, so that no two changes wait at a time.
 */
void hpcap_rxq_change(struct hpcap_rxq *rxq, hpcap_change_fn *make, void *data);
/*
 * Makes the change that waits, if there is one and the last change was long enough ago. Called by
 * the poll thread, with the clock of its last look.
 */
void hpcap_rxq_make_change(struct hpcap_rxq *rxq, u64 clock_ns);

#endif /* _HPCAP_CHANGE_H */
