// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of a queue: the queue page, a ring of ordinary pages, and the producer's mapping of
 * the ring.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "memory.h"
#include "ring_types.h"

/* Pages are allocated in chunks of 2 MiB, the size of an x86 huge page, while there are any. */
#define HPCAP_CHUNK_ORDER	9

/* Hugepages that are unpinned before others may run. */
#define HPCAP_UNPIN_BATCH	1024

static int hpcap_memory_make_queue(struct hpcap_memory *memory, int node)
{
	u32 entries = hpcap_index_entries(memory->ring_bytes);
	struct hpcap_queue *queue;

	memory->queue_bytes = PAGE_ALIGN(sizeof(*queue) +
					 (u64)entries * sizeof(struct hpcap_block));
	/* The poll thread writes to it all the time. */
	queue = vzalloc_node(memory->queue_bytes, node);
	if (!queue)
		return -ENOMEM;
	queue->queue_bytes = memory->queue_bytes;
	queue->ring_bytes = memory->ring_bytes;
	queue->page_bytes = memory->page_bytes;
	queue->block_bytes = hpcap_block_bytes(memory->ring_bytes);
	queue->file_bytes_max = HPCAP_FILE_BYTES_MAX / queue->block_bytes * queue->block_bytes;
	queue->index_off = sizeof(*queue);
	queue->index_entries = entries;
	memory->queue = queue;
	return 0;
}

struct hpcap_memory *hpcap_memory_prepare(u64 ring_bytes, u64 page_bytes, int node)
{
	u64 pages = ring_bytes / PAGE_SIZE;
	struct hpcap_memory *memory;
	int err;

	if (ring_bytes < HPCAP_RING_BYTES_MIN || ring_bytes % page_bytes)
		return ERR_PTR(-EINVAL);
	/* Refuses sizes that would overflow in the computations below. */
	if (pages > totalram_pages())
		return ERR_PTR(-ENOMEM);
	memory = kzalloc_node(sizeof(*memory), GFP_KERNEL, node);
	if (!memory)
		return ERR_PTR(-ENOMEM);
	kref_init(&memory->ref);
	memory->ring_bytes = ring_bytes;
	memory->page_bytes = page_bytes;
	/* The array takes 4 MiB for each GiB of the ring. */
	memory->pages = kvcalloc(2 * pages, sizeof(*memory->pages), GFP_KERNEL | __GFP_NOWARN);
	err = memory->pages ? hpcap_memory_make_queue(memory, node) : -ENOMEM;
	if (err) {
		hpcap_memory_put(memory);
		return ERR_PTR(err);
	}
	return memory;
}

int hpcap_memory_complete(struct hpcap_memory *memory, int node)
{
	u64 pages = memory->ring_bytes / PAGE_SIZE;

	if (2 * pages > UINT_MAX)
		return -ENOMEM;
	memcpy(memory->pages + pages, memory->pages, pages * sizeof(*memory->pages));
	/*
	 * Not vmap(), which maps at most as many pages as the machine has: the double mapping of
	 * a ring with more than half of the memory would exceed that.
	 */
	memory->ring = vm_map_ram(memory->pages, 2 * pages, node);
	return memory->ring ? 0 : -ENOMEM;
}

/* Allocates zeroed pages until the ring has all of its pages; `held` counts the allocated ones. */
static int hpcap_memory_fill(struct hpcap_memory *memory, int node)
{
	u64 pages = memory->ring_bytes / PAGE_SIZE;
	unsigned int order = HPCAP_CHUNK_ORDER;

	while (memory->held < pages) {
		gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN;
		struct page *page;
		unsigned int i;

		order = min_t(unsigned int, order, ilog2(pages - memory->held));
		/*
		 * Takes large chunks only where they are free. Single pages are retried, but do not
		 * start the OOM killer.
		 */
		gfp |= order ? __GFP_NORETRY : __GFP_RETRY_MAYFAIL;
		page = alloc_pages_node(node, gfp, order);
		if (!page && !order)
			return -ENOMEM;
		if (!page) {
			order--;
			continue;
		}
		/* Splits the chunk, because each page is mapped and freed on its own. */
		split_page(page, order);
		for (i = 0; i < 1u << order; i++)
			memory->pages[memory->held++] = page + i;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

struct hpcap_memory *hpcap_memory_alloc(u64 ring_bytes, int node)
{
	struct hpcap_memory *memory;
	int err;

	memory = hpcap_memory_prepare(ring_bytes, PAGE_SIZE, node);
	if (IS_ERR(memory))
		return memory;
	/* Refuses a ring that would leave the machine without memory. */
	if (ring_bytes / PAGE_SIZE > (u64)max(si_mem_available(), 0L) / 10 * 9)
		err = -ENOMEM;
	else
		err = hpcap_memory_fill(memory, node);
	if (!err)
		err = hpcap_memory_complete(memory, node);
	if (err) {
		hpcap_memory_put(memory);
		return ERR_PTR(err);
	}
	return memory;
}

/* Unpins the hugepages, and puts their file. */
static void hpcap_memory_unpin(struct hpcap_memory *memory)
{
	u64 done;

	for (done = 0; done < memory->held; done += HPCAP_UNPIN_BATCH) {
		unpin_user_pages(memory->pages + done,
				 min_t(u64, memory->held - done, HPCAP_UNPIN_BATCH));
		cond_resched();
	}
	fput(memory->hugepages);
}

static void hpcap_memory_release(struct kref *ref)
{
	struct hpcap_memory *memory = container_of(ref, struct hpcap_memory, ref);
	u64 i;

	if (memory->ring)
		vm_unmap_ram(memory->ring, 2 * (memory->ring_bytes / PAGE_SIZE));
	if (memory->hugepages) {
		hpcap_memory_unpin(memory);
	} else {
		for (i = 0; i < memory->held; i++) {
			__free_page(memory->pages[i]);
			if (!(i % 1024))
				cond_resched();
		}
	}
	kvfree(memory->pages);
	vfree(memory->queue);
	kfree(memory);
}

void hpcap_memory_get(struct hpcap_memory *memory)
{
	kref_get(&memory->ref);
}

void hpcap_memory_put(struct hpcap_memory *memory)
{
	kref_put(&memory->ref, hpcap_memory_release);
}
