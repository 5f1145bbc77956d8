// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of an open device, except those that request.c and client.c implement: the file
 * descriptor of a hugepage ring, and another ring for the queue.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/uaccess.h>

#include "client.h"
#include "queue.h"

/* Opens the hugepage file under the ring once more, for reading only. Returns the descriptor. */
static long hpcap_ring_fd(struct hpcap_client *client)
{
	struct hpcap_memory *memory = hpcap_client_memory(client);
	struct file *file;
	int fd;

	if (!memory->hugepages) {
		fd = -ENODATA;
		goto out;
	}
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto out;
	file = dentry_open(&memory->hugepages->f_path, O_RDONLY | O_LARGEFILE, current_cred());
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		fd = PTR_ERR(file);
	} else {
		fd_install(fd, file);
	}
out:
	hpcap_memory_put(memory);
	return fd;
}

static struct hpcap_memory *hpcap_make_memory(struct hpcap_rxq *rxq,
					      const struct hpcap_set_ring *wanted)
{
	struct hpcap_memory *memory;
	struct file *file;

	if (wanted->fd == -1)
		/* Uses rxq->node, because the NIC's device may be gone. */
		return hpcap_memory_alloc(wanted->ring_bytes, rxq->node);
	file = fget(wanted->fd);
	if (!file)
		return ERR_PTR(-EBADF);
	memory = hpcap_memory_pin(file, wanted->ring_bytes, rxq->node);
	fput(file);
	return memory;
}

static long hpcap_set_ring(struct hpcap_client *client, const struct hpcap_set_ring __user *user)
{
	struct hpcap_set_ring wanted;
	struct hpcap_memory *memory;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&wanted, user, sizeof(wanted)))
		return -EFAULT;
	if (wanted.reserved)
		return -EINVAL;
	memory = hpcap_make_memory(client->rxq, &wanted);
	if (IS_ERR(memory))
		return PTR_ERR(memory);
	err = hpcap_rxq_set_memory(client->rxq, memory);
	if (err)
		hpcap_memory_put(memory);
	return err;
}

long hpcap_client_ioctl(struct file *file, unsigned int command, unsigned long arg)
{
	struct hpcap_client *client = file->private_data;

	switch (command) {
	case HPCAP_IOC_REQUEST:
		return hpcap_client_request(client, (struct hpcap_attach __user *)arg);
	case HPCAP_IOC_WAIT:
		return hpcap_client_wait(client, (const u64 __user *)arg);
	case HPCAP_IOC_RING_FD:
		return hpcap_ring_fd(client);
	case HPCAP_IOC_SET_RING:
		return hpcap_set_ring(client, (const struct hpcap_set_ring __user *)arg);
	default:
		return -ENOTTY;
	}
}
