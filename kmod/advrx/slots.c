// SPDX-License-Identifier: GPL-2.0-only
/*
 * The buffers that a NIC writes frames to. They are allocated when the interface goes up, on the
 * NIC's node, in coherent memory: so no frame needs to be mapped, unmapped or synced.
 */
#include <linux/dma-mapping.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "capture.h"

/*
 * Binary logarithms of the number of slots of a chunk: 2 MiB first, then smaller chunks, in case
 * memory is fragmented.
 */
static const u32 chunk_shifts[] = { 10, 7, 4, 1 };

static void queue_free(struct hpcap_port_queue *q)
{
	u32 i, chunks = q->slots >> q->rx.chunk_shift;

	for (i = 0; q->chunks && i < chunks && q->chunks[i]; i++)
		dma_free_coherent(&q->port->pdev->dev, q->chunk_bytes, q->chunks[i],
				  q->chunk_dma[i]);
	kfree(q->chunks);
	kfree(q->chunk_dma);
	kvfree(q->rx.bounce);
	q->chunks = NULL;
	q->chunk_dma = NULL;
	q->rx.bounce = NULL;
	q->slots = 0;
}

/* Allocates all slots in chunks of one size, or none. */
static int chunks_alloc(struct hpcap_port_queue *q, u32 slots, u32 shift)
{
	struct device *dev = &q->port->pdev->dev;
	u32 i, chunks = slots >> shift;

	q->slots = slots;
	q->rx.chunk_shift = shift;
	q->chunk_bytes = HPCAP_ADVRX_SLOT_BYTES << shift;
	q->chunks = kcalloc(chunks, sizeof(*q->chunks), GFP_KERNEL);
	q->chunk_dma = kcalloc(chunks, sizeof(*q->chunk_dma), GFP_KERNEL);
	if (!q->chunks || !q->chunk_dma)
		goto failed;
	for (i = 0; i < chunks; i++) {
		dma_addr_t dma;

		q->chunks[i] = dma_alloc_coherent(dev, q->chunk_bytes, &dma,
						  GFP_KERNEL | __GFP_NOWARN);
		if (!q->chunks[i])
			goto failed;
		q->chunk_dma[i] = dma;
	}
	return 0;

failed:
	queue_free(q);
	return -ENOMEM;
}

static int queue_alloc(struct hpcap_port_queue *q, u32 slots)
{
	int node = dev_to_node(&q->port->pdev->dev);
	int err = -ENOMEM;
	u32 i;

	/* core/advrx.h masks positions in the ring. */
	if (!is_power_of_2(slots))
		return -EINVAL;
	for (i = 0; err && i < ARRAY_SIZE(chunk_shifts); i++)
		err = chunks_alloc(q, slots, min_t(u32, chunk_shifts[i], ilog2(slots)));
	if (err)
		return err;
	q->rx.bounce = kvmalloc_node(HPCAP_ADVRX_BOUNCE, GFP_KERNEL, node);
	if (!q->rx.bounce) {
		queue_free(q);
		return -ENOMEM;
	}
	return 0;
}

int hpcap_port_alloc(struct hpcap_port *port, u32 queues, u32 descriptors)
{
	u32 i;
	int err;

	if (!port)
		return 0;
	for (i = 0; i < queues && i < HPCAP_PORT_QUEUES && port->queue[i]; i++) {
		err = queue_alloc(port->queue[i], descriptors);
		if (err) {
			netdev_err(port->netdev, "no memory for %u slots of queue %u: %d\n",
				   descriptors, i, err);
			hpcap_port_free(port);
			return err;
		}
	}
	return 0;
}

void hpcap_port_free(struct hpcap_port *port)
{
	u32 i;

	if (!port)
		return;
	/* A NIC that still receives would write into memory that has another owner. */
	WARN_ON_ONCE(port->receives);
	for (i = 0; i < HPCAP_PORT_QUEUES && port->queue[i]; i++)
		queue_free(port->queue[i]);
}
