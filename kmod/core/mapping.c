// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps a queue's memory into the address space of a client. The pages are mapped as ordinary ones
 * (no VM_PFNMAP), so that direct I/O can write from them.
 */
#include <linux/sched/signal.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "memory.h"

/* Pages mapped between two checks for signals and rescheduling: as many as a page table has. */
#define HPCAP_MAP_BATCH	512

/* A vma that was split, moved or inherited by a fork holds a reference of its own. */
static void hpcap_vma_open(struct vm_area_struct *vma)
{
	hpcap_memory_get(vma->vm_private_data);
}

static void hpcap_vma_close(struct vm_area_struct *vma)
{
	hpcap_memory_put(vma->vm_private_data);
}

static vm_fault_t hpcap_fault(struct vm_fault *vmf, struct page *page)
{
	get_page(page);
	vmf->page = page;
	return 0;
}

/*
 * mmap(2) maps all pages at once, below. Faults occur only on pages that a client has given up, as
 * with madvise(MADV_DONTNEED).
 */
static vm_fault_t hpcap_queue_fault(struct vm_fault *vmf)
{
	struct hpcap_memory *memory = vmf->vma->vm_private_data;
	u64 index = vmf->pgoff - (HPCAP_MMAP_QUEUE >> PAGE_SHIFT);

	if (index >= memory->queue_bytes / PAGE_SIZE)
		return VM_FAULT_SIGBUS;
	return hpcap_fault(vmf, vmalloc_to_page((u8 *)memory->queue + index * PAGE_SIZE));
}

static vm_fault_t hpcap_ring_fault(struct vm_fault *vmf)
{
	struct hpcap_memory *memory = vmf->vma->vm_private_data;
	u64 index = vmf->pgoff - (HPCAP_MMAP_RING >> PAGE_SHIFT);

	if (index >= memory->ring_bytes / PAGE_SIZE)
		return VM_FAULT_SIGBUS;
	return hpcap_fault(vmf, memory->pages[index]);
}

static const struct vm_operations_struct hpcap_queue_vm_ops = {
	.open = hpcap_vma_open,
	.close = hpcap_vma_close,
	.fault = hpcap_queue_fault,
};

static const struct vm_operations_struct hpcap_ring_vm_ops = {
	.open = hpcap_vma_open,
	.close = hpcap_vma_close,
	.fault = hpcap_ring_fault,
};

/* Lets the vma hold a reference. The caller must not fail afterwards. */
static void hpcap_vma_set(struct vm_area_struct *vma, struct hpcap_memory *memory,
			  const struct vm_operations_struct *ops)
{
	hpcap_memory_get(memory);
	vma->vm_private_data = memory;
	vma->vm_ops = ops;
}

int hpcap_memory_map_queue(struct hpcap_memory *memory, struct vm_area_struct *vma)
{
	u64 bytes = vma->vm_end - vma->vm_start;
	u64 done;

	hpcap_vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	for (done = 0; done < bytes; done += PAGE_SIZE) {
		int err = vm_insert_page(vma, vma->vm_start + done,
					 vmalloc_to_page((u8 *)memory->queue + done));

		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (err)
			return err;
		cond_resched();
	}
	hpcap_vma_set(vma, memory, &hpcap_queue_vm_ops);
	return 0;
}

int hpcap_memory_map_ring(struct hpcap_memory *memory, struct vm_area_struct *vma)
{
	u64 pages = memory->ring_bytes / PAGE_SIZE;
	u64 done;

	if (memory->hugepages)
		return -EOPNOTSUPP;
	hpcap_vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	/* Maps all pages now, to save the first lap at full speed a fault for each page. */
	for (done = 0; done < pages; done += HPCAP_MAP_BATCH) {
		unsigned long n = min_t(u64, pages - done, HPCAP_MAP_BATCH);
		int err;

		err = vm_insert_pages(vma, vma->vm_start + done * PAGE_SIZE,
				      memory->pages + done, &n);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (err)
			return err;
		cond_resched();
	}
	hpcap_vma_set(vma, memory, &hpcap_ring_vm_ops);
	return 0;
}
