// SPDX-License-Identifier: GPL-2.0-only
/*
 * The char devices /dev/hpcap_N_Q: their nodes, and open, close and mmap of a device.
 */
#include <linux/cred.h>
#include <linux/idr.h>
#include <linux/slab.h>

#include "chardev.h"
#include "client.h"
#include "compat.h"
#include "queue.h"
#include "sysfs.h"
#include "wake.h"

/* Most queues on one machine. */
#define HPCAP_MINORS	4096

static dev_t hpcap_first;
static DEFINE_IDA(hpcap_minors);

/* Only root and one group may open a device. udev sets the group (70-hpcap.rules). */
static char *hpcap_devnode(HPCAP_DEVNODE_DEVICE *dev, umode_t *mode)
{
	if (mode)
		*mode = 0660;
	return NULL;
}

static struct class hpcap_class = {
	.name = "hpcap",
	.devnode = hpcap_devnode,
};

/* ------------------------------------------------------------------ open, close */

static void hpcap_client_free(struct hpcap_client *client)
{
	/* The poll thread has let go of the client, so its wake-up can only be under way. */
	cancel_work_sync(&client->waking);
	if (client->memory)
		hpcap_memory_put(client->memory);
	module_put(client->nic);
	if (client->slot_page)
		__free_page(client->slot_page);
	kfree(client);
}

/*
 * Gives the client the queue's memory and a reference to the driver's module. Returns -ENODEV when
 * the adapter is gone, which happens shortly before the device node disappears.
 */
static int hpcap_client_join(struct hpcap_client *client, struct hpcap_rxq *rxq)
{
	int err = 0;

	if (mutex_lock_interruptible(&rxq->lock))
		return -ERESTARTSYS;
	if (rxq->adapter && try_module_get(rxq->adapter->ops->owner)) {
		client->nic = rxq->adapter->ops->owner;
		client->memory = rxq->memory;
		hpcap_memory_get(client->memory);
	} else {
		err = -ENODEV;
	}
	mutex_unlock(&rxq->lock);
	return err;
}

static int hpcap_open(struct inode *inode, struct file *file)
{
	struct hpcap_client *client;
	int err;

	client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);
	if (!client)
		return -ENOMEM;
	/* The cdev holds a reference of rxq->dev while the file is open. */
	client->rxq = container_of(inode->i_cdev, struct hpcap_rxq, cdev);
	spin_lock_init(&client->lock);
	init_waitqueue_head(&client->wait);
	INIT_WORK(&client->waking, hpcap_client_waking);
	client->uid = current_euid();
	client->pid = task_tgid_nr(current);
	client->slot_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	err = client->slot_page ? hpcap_client_join(client, client->rxq) : -ENOMEM;
	if (err) {
		hpcap_client_free(client);
		return err;
	}
	client->slot = page_address(client->slot_page);
	file->private_data = client;
	return nonseekable_open(inode, file);
}

static int hpcap_release(struct inode *inode, struct file *file)
{
	struct hpcap_client *client = file->private_data;

	mutex_lock(&client->rxq->lock);
	hpcap_client_detach(client);
	mutex_unlock(&client->rxq->lock);
	hpcap_client_free(client);
	return 0;
}

/* ----------------------------------------------------------------------- memory */

/* The page stays valid: the vma holds the file, and the file holds the page. */
static vm_fault_t hpcap_slot_fault(struct vm_fault *vmf)
{
	struct hpcap_client *client = vmf->vma->vm_private_data;

	if (vmf->pgoff != HPCAP_MMAP_SLOT >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	get_page(client->slot_page);
	vmf->page = client->slot_page;
	return 0;
}

static const struct vm_operations_struct hpcap_slot_vm_ops = {
	.fault = hpcap_slot_fault,
};

static int hpcap_map_slot(struct hpcap_client *client, struct vm_area_struct *vma)
{
	if (vma->vm_end - vma->vm_start != PAGE_ALIGN(HPCAP_SLOT_BYTES))
		return -EINVAL;
	if (!READ_ONCE(client->attached))
		return -ENOTCONN;
	hpcap_vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = client;
	vma->vm_ops = &hpcap_slot_vm_ops;
	return 0;
}

/* Maps the queue page or the ring read-only, because only the producer may write them. */
static int hpcap_map_stream(struct hpcap_client *client, struct vm_area_struct *vma, bool ring)
{
	u64 bytes = vma->vm_end - vma->vm_start;
	struct hpcap_memory *memory;
	int err;

	if (vma->vm_flags & VM_WRITE)
		return -EACCES;
	/* Keeps mprotect(2) from making the mapping writable later. */
	hpcap_vm_flags_clear(vma, VM_MAYWRITE);
	memory = hpcap_client_memory(client);
	if (ring)
		err = bytes == memory->ring_bytes ? hpcap_memory_map_ring(memory, vma) : -EINVAL;
	else
		err = bytes <= memory->queue_bytes ? hpcap_memory_map_queue(memory, vma) : -EINVAL;
	hpcap_memory_put(memory);
	return err;
}

static int hpcap_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct hpcap_client *client = file->private_data;

	/* VM_MAYSHARE, because VM_SHARED is not set when the file is open for reading only. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	switch (vma->vm_pgoff) {
	case HPCAP_MMAP_QUEUE >> PAGE_SHIFT:
		return hpcap_map_stream(client, vma, false);
	case HPCAP_MMAP_RING >> PAGE_SHIFT:
		return hpcap_map_stream(client, vma, true);
	case HPCAP_MMAP_SLOT >> PAGE_SHIFT:
		return hpcap_map_slot(client, vma);
	default:
		return -EINVAL;
	}
}

static const struct file_operations hpcap_fops = {
	.owner = THIS_MODULE,
	.open = hpcap_open,
	.release = hpcap_release,
	.mmap = hpcap_mmap,
	.unlocked_ioctl = hpcap_client_ioctl,
	/* The structures have the same layout in 32-bit programs. */
	.compat_ioctl = compat_ptr_ioctl,
	.poll = hpcap_client_poll,
};

/* ------------------------------------------------------------------------ nodes */

int hpcap_chardev_add(struct hpcap_rxq *rxq, struct device *parent)
{
	int minor, err;

	rxq->dev.class = &hpcap_class;
	rxq->dev.parent = parent;
	rxq->dev.groups = hpcap_rxq_groups;
	cdev_init(&rxq->cdev, &hpcap_fops);
	rxq->cdev.owner = THIS_MODULE;
	err = dev_set_name(&rxq->dev, "hpcap_%u_%u", rxq->number, rxq->index);
	if (err)
		return err;
	minor = ida_alloc_max(&hpcap_minors, HPCAP_MINORS - 1, GFP_KERNEL);
	if (minor < 0)
		return minor;
	rxq->dev.devt = MKDEV(MAJOR(hpcap_first), minor);
	err = cdev_device_add(&rxq->cdev, &rxq->dev);
	if (err)
		ida_free(&hpcap_minors, minor);
	return err;
}

void hpcap_chardev_del(struct hpcap_rxq *rxq)
{
	cdev_device_del(&rxq->cdev, &rxq->dev);
	ida_free(&hpcap_minors, MINOR(rxq->dev.devt));
}

int hpcap_chardev_init(void)
{
	int err;

	err = class_register(&hpcap_class);
	if (err)
		return err;
	err = alloc_chrdev_region(&hpcap_first, 0, HPCAP_MINORS, "hpcap");
	if (err)
		class_unregister(&hpcap_class);
	return err;
}

void hpcap_chardev_exit(void)
{
	unregister_chrdev_region(hpcap_first, HPCAP_MINORS);
	class_unregister(&hpcap_class);
	ida_destroy(&hpcap_minors);
}
