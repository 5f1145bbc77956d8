/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory of a queue: the queue page with the block index, and the ring, which is mapped twice,
 * back to back, for the producer.
 *
 * The memory is reference-counted: a client that has mapped it, or has the device open, keeps it
 * after the queue has got another ring or has been removed.
 */
#ifndef _HPCAP_MEMORY_H
#define _HPCAP_MEMORY_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mm.h>

#include <hpcap.h>

struct hpcap_memory {
	struct kref ref;
	struct hpcap_queue *queue;	/* queue page; at first zero except for its sizes */
	u64 queue_bytes;
	u8 *ring;			/* kernel address; 2 * ring_bytes are mapped */
	u64 ring_bytes;
	u64 page_bytes;			/* size of the pages under the ring */
	struct page **pages;		/* ring_bytes / PAGE_SIZE pages, listed twice */
	u64 held;			/* pages at the start of `pages` that are owned or pinned */
	struct file *hugepages;		/* file that the pages belong to; NULL: own pages */
};

/*
 * Allocates a ring of ordinary pages, on the given NUMA node if it has room. The pages are
 * contiguous where possible, so that direct I/O from them needs few segments.
 * ERR_PTR: -EINVAL (size), -ENOMEM, -EINTR.
 */
struct hpcap_memory *hpcap_memory_alloc(u64 ring_bytes, int node);
/*
 * Makes a ring of the first ring_bytes of a hugetlbfs file or memfd, and pins its hugepages.
 * ring_bytes is a multiple of the file's page size. The file must be open for reading and writing,
 * and its mode must let only its owner write, because listeners get the file, too. Called in the
 * context of a process, into which the file is mapped for a moment.
 * ERR_PTR: -EINVAL (size, or no hugetlbfs file), -EBADF (not open for both), -EPERM (mode),
 * -ENOMEM, -EINTR. The queue page is on the given NUMA node.
 */
struct hpcap_memory *hpcap_memory_pin(struct file *file, u64 ring_bytes, int node);
void hpcap_memory_get(struct hpcap_memory *memory);
void hpcap_memory_put(struct hpcap_memory *memory);

/*
 * Implement mmap(2). The caller has checked that the vma is shared, not writable, and has the right
 * size: the whole ring, or at most the queue page. A ring of hugepages cannot be mapped here
 * (-EOPNOTSUPP); a client maps it from its file, in huge pages.
 */
int hpcap_memory_map_queue(struct hpcap_memory *memory, struct vm_area_struct *vma);
int hpcap_memory_map_ring(struct hpcap_memory *memory, struct vm_area_struct *vma);

/* For hugepages.c, too: allocates everything but the pages under the ring. */
struct hpcap_memory *hpcap_memory_prepare(u64 ring_bytes, u64 page_bytes, int node);
/* Maps the pages twice, back to back, for the producer. */
int hpcap_memory_complete(struct hpcap_memory *memory, int node);

#endif /* _HPCAP_MEMORY_H */
