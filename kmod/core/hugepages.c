// SPDX-License-Identifier: GPL-2.0-only
/*
 * A ring in the hugepages of a hugetlbfs file or memfd, which a program provides. The pages are
 * pinned, so that they stay in place even when the program ends and the file is deleted.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/magic.h>
#include <linux/mman.h>
#include <linux/sched/signal.h>

#include "memory.h"

/* Pages pinned between two checks for signals and rescheduling. */
#define HPCAP_PIN_BATCH	1024

static int hpcap_hugepages_check(struct file *file, u64 ring_bytes)
{
	struct inode *inode = file_inode(file);

	if (inode->i_sb->s_magic != HUGETLBFS_MAGIC)
		return -EINVAL;
	if ((file->f_mode & (FMODE_READ | FMODE_WRITE)) != (FMODE_READ | FMODE_WRITE))
		return -EBADF;
	/*
	 * Listeners get the file read-only (HPCAP_IOC_RING_FD). A listener with write permission
	 * by the file's mode could open it again for writing, in /proc/self/fd.
	 */
	if (inode->i_mode & 0022)
		return -EPERM;
	if (i_size_read(inode) < 0 || (u64)i_size_read(inode) < ring_bytes)
		return -EINVAL;
	return 0;
}

/* Pins the pages of the ring, which is mapped at `address`; `held` counts the pinned pages. */
static int hpcap_hugepages_pin(struct hpcap_memory *memory, unsigned long address)
{
	u64 pages = memory->ring_bytes / PAGE_SIZE;

	while (memory->held < pages) {
		int n = min_t(u64, pages - memory->held, HPCAP_PIN_BATCH);

		n = pin_user_pages_fast(address + memory->held * PAGE_SIZE, n,
					FOLL_WRITE | FOLL_LONGTERM,
					memory->pages + memory->held);
		if (n <= 0)
			return n ? n : -EFAULT;
		memory->held += n;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/*
 * Checks that the pinned pages belong to the file: another thread can have mapped something else
 * at the same address before they were pinned.
 */
static int hpcap_hugepages_verify(const struct hpcap_memory *memory)
{
	u64 i;

	for (i = 0; i < memory->held; i++)
		if (READ_ONCE(compound_head(memory->pages[i])->mapping) !=
		    memory->hugepages->f_mapping)
			return -EINVAL;
	return 0;
}

struct hpcap_memory *hpcap_memory_pin(struct file *file, u64 ring_bytes, int node)
{
	struct hpcap_memory *memory;
	unsigned long address;
	int err;

	err = hpcap_hugepages_check(file, ring_bytes);
	if (err)
		return ERR_PTR(err);
	/* The block size of a hugetlbfs is its page size. */
	memory = hpcap_memory_prepare(ring_bytes, file_inode(file)->i_sb->s_blocksize, node);
	if (IS_ERR(memory))
		return memory;
	memory->hugepages = get_file(file);
	address = vm_mmap(file, 0, ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	if (IS_ERR_VALUE(address)) {
		err = (int)address;
	} else {
		err = hpcap_hugepages_pin(memory, address);
		vm_munmap(address, ring_bytes);
	}
	if (!err)
		err = hpcap_hugepages_verify(memory);
	if (!err)
		err = hpcap_memory_complete(memory, node);
	if (err) {
		hpcap_memory_put(memory);
		return ERR_PTR(err);
	}
	return memory;
}
