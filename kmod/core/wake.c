// SPDX-License-Identifier: GPL-2.0-only
/* Waking those who sleep: the poll thread of a queue, and its listeners. */
#include <linux/bitops.h>
#include <linux/wait.h>

#include "client.h"
#include "rxq.h"
#include "wake.h"

void hpcap_rxq_kick(struct hpcap_rxq *rxq)
{
	WRITE_ONCE(rxq->kicked, true);
	/* Pairs with prepare_to_wait(): the thread sees the kick, or we see that it sleeps. */
	if (wq_has_sleeper(&rxq->idle))
		wake_up(&rxq->idle);
}

void hpcap_wake_listeners(struct hpcap_rxq *rxq, u32 slots)
{
	for (; slots; slots &= slots - 1) {
		struct hpcap_client *client = rxq->clients[__ffs(slots)];

		if (client)
			wake_up_interruptible(&client->wait);
	}
}
