/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory of a queue: the queue page with the block index, and the ring, which the
 * producer sees twice, back to back.
 *
 * It is counted: a client that has it mapped, or open, keeps it after the queue has got
 * another ring or has gone.
 */
#ifndef _HPCAP_MEMORY_H
#define _HPCAP_MEMORY_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mm.h>

#include <hpcap.h>

struct hpcap_memory {
	struct kref ref;
	struct hpcap_queue *queue;	/* queue_bytes, zero but for its sizes */
	u64 queue_bytes;
	u8 *ring;			/* 2 * ring_bytes of kernel addresses */
	u64 ring_bytes;
	u64 page_bytes;			/* of the pages under the ring */
	struct page **pages;		/* ring_bytes / PAGE_SIZE, and all of them once more */
	u64 held;			/* pages at the start of `pages` that are owned or pinned */
	struct file *hugepages;		/* file that the pages belong to; NULL: own pages */
};

/*
 * Ordinary pages, of this NUMA node where it has room; contiguous where possible, so that
 * direct I/O from them needs few pieces. ERR_PTR: -EINVAL (size), -ENOMEM, -EINTR.
 */
struct hpcap_memory *hpcap_memory_alloc(u64 ring_bytes, int node);
/*
 * Hugepages of a hugetlbfs file or memfd: the first ring_bytes of it, a multiple of its page
 * size, pinned. The file is open for reading and writing, and by its mode its owner alone may
 * write: listeners get it too, and must not. Called by a process: it maps the file meanwhile.
 * ERR_PTR: -EINVAL (size, or not such a file), -EBADF, -EPERM (mode), -ENOMEM, -EINTR.
 */
struct hpcap_memory *hpcap_memory_pin(struct file *file, u64 ring_bytes);
void hpcap_memory_get(struct hpcap_memory *memory);
void hpcap_memory_put(struct hpcap_memory *memory);

/*
 * For mmap(2): the vma is shared, not writable, and of the right size: the whole ring; the queue
 * page, or its beginning. A ring of hugepages cannot be mapped here (-EOPNOTSUPP), but in huge
 * pages from its file.
 */
int hpcap_memory_map_queue(struct hpcap_memory *memory, struct vm_area_struct *vma);
int hpcap_memory_map_ring(struct hpcap_memory *memory, struct vm_area_struct *vma);

/* Shared by memory.c and hugepages.c: allocates everything but the pages under the ring. */
struct hpcap_memory *hpcap_memory_prepare(u64 ring_bytes, u64 page_bytes);
/* Maps the pages twice, back to back, for the producer. */
int hpcap_memory_complete(struct hpcap_memory *memory, int node);
/* Gives the pages back. */
void hpcap_memory_unpin(struct hpcap_memory *memory);

#endif /* _HPCAP_MEMORY_H */
