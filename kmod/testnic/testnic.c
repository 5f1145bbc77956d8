// SPDX-License-Identifier: GPL-2.0-only
/*
 * hpcap_testnic.ko: adapters without a NIC, only for tests of hpcap.ko and its clients.
 *
 * Every queue makes `count` frames (0: without end) of `size` bytes, numbered from 0; queue Q of
 * adapter N has flow number N * 256 + Q. With a `rate`, the frames arrive as from a link: at most
 * `backlog` frames wait, by default 4096, the number of descriptors of an 82599's ring. Further
 * frames are missed, and their numbers are missing from the capture. Without a rate, frames are
 * made as fast as they are taken, and none is missed.
 *
 *	insmod hpcap_testnic.ko adapters=2 queues=2 count=1000000 size=60 up=0
 *	echo 1 > /sys/module/hpcap_testnic/parameters/up	# up: frames come
 *	echo 0 > /sys/module/hpcap_testnic/parameters/up	# down, until the next 1
 *	echo 1 > /sys/module/hpcap_testnic/parameters/remove	# adapter 1 is pulled out
 *	echo 0000:00:08.0 > .../parameters/pci_error	# of a real device: pci_error.c
 *	echo netif_set_real_num_rx_queues > .../parameters/fail	# of the kernel: failure.c
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>

#include <nic.h>
#include "content.h"
#include "failure.h"

#define HPCAP_TEST_ADAPTERS	64

struct hpcap_test_queue {
	u8 header[HPCAP_TEST_HEADER_BYTES];
	u8 *slots;	/* HPCAP_BATCH slots of slot_bytes each */
	u64 next;	/* number of the next frame */
	u64 missed;
	u64 started_ns;	/* clock when frame `base` was due */
	u64 base;
	u64 stopped_ns;	/* clock when the queue was stopped; 0: it runs */
};

struct hpcap_test_adapter {
	struct hpcap_adapter *adapter;
	struct hpcap_test_queue queues[];
};

static u32 adapters = 1;
module_param(adapters, uint, 0444);
MODULE_PARM_DESC(adapters, "number of adapters, 1 to 64 (1)");
static u32 queues = 1;
module_param(queues, uint, 0444);
MODULE_PARM_DESC(queues, "number of queues of each adapter (1)");
static u32 first;
module_param(first, uint, 0444);
MODULE_PARM_DESC(first, "number of the first adapter (0)");
static u64 count;
module_param(count, ullong, 0444);
MODULE_PARM_DESC(count, "number of frames of each queue; 0 has no end (0)");
static u32 size = 60;
module_param(size, uint, 0444);
MODULE_PARM_DESC(size, "bytes of a frame without FCS, 60 to 65535 (60)");
static u64 rate;
module_param(rate, ullong, 0444);
MODULE_PARM_DESC(rate, "frames per second of each queue; 0 is as fast as they are harvested (0)");
static u32 backlog = 4096;
module_param(backlog, uint, 0444);
MODULE_PARM_DESC(backlog, "most frames that wait while there is a rate (4096)");
static bool is_up = true;

static u32 slot_bytes;
static struct hpcap_test_adapter *tests[HPCAP_TEST_ADAPTERS];
static DEFINE_MUTEX(tests_lock);
static bool loaded;

/* ------------------------------------------------------------------------ frames */

/* Returns the number of the first frame that is not due yet, and counts missed frames. */
static u64 hpcap_test_due(struct hpcap_test_queue *q)
{
	u64 stopped_ns = READ_ONCE(q->stopped_ns), due = U64_MAX;
	u64 elapsed_ns = (stopped_ns ?: ktime_get_ns()) - q->started_ns;

	if (rate)
		due = q->base + mul_u64_u64_div_u64(elapsed_ns, rate, NSEC_PER_SEC);
	else if (stopped_ns)
		due = q->next;
	if (count && due > count)
		due = count;
	if (rate && due > q->next + backlog) {
		q->missed += due - backlog - q->next;
		q->next = due - backlog;
	}
	return due;
}

static u32 hpcap_test_harvest(void *rx, struct hpcap_batch *batch, u32 n,
			      const struct timespec64 *now)
{
	u64 ns = (u64)now->tv_sec * NSEC_PER_SEC + now->tv_nsec;
	struct hpcap_test_queue *q = rx;
	u64 due = hpcap_test_due(q);
	u32 i;

	for (i = 0; i < n && q->next + i < due; i++) {
		u8 *slot = q->slots + (u64)i * slot_bytes;

		hpcap_test_frame(slot, q->header, size, q->next + i, ns);
		batch->frames[i] = (struct hpcap_frame) {
			.data = slot,
			.sec = now->tv_sec,
			.nsec = now->tv_nsec,
			.caplen = size,
			.len = size,
		};
	}
	return i;
}

static void hpcap_test_release(void *rx, u32 n)
{
	struct hpcap_test_queue *q = rx;

	q->next += n;
}

static void hpcap_test_counters(void *rx, struct hpcap_nic_counters *counters)
{
	struct hpcap_test_queue *q = rx;

	hpcap_test_due(q);
	counters->missed = q->missed;
	counters->errors = 0;
}

static const struct hpcap_nic_ops hpcap_test_ops = {
	.owner = THIS_MODULE,
	.clock_source = "kernel",
	/* The time of the harvest, which the frame has in its bytes, too. */
	.own_times = true,
	.harvest = hpcap_test_harvest,
	.release = hpcap_test_release,
	.counters = hpcap_test_counters,
};

/* ---------------------------------------------------------------------- adapters */

/* Starts all queues of an adapter. Under tests_lock. */
static void hpcap_test_start(struct hpcap_test_adapter *test)
{
	u32 i;

	for (i = 0; i < queues; i++) {
		test->queues[i].started_ns = ktime_get_ns();
		test->queues[i].base = test->queues[i].next;
		test->queues[i].stopped_ns = 0;
		hpcap_rxq_start(test->adapter, i, &test->queues[i], backlog);
	}
}

static void hpcap_test_stop(struct hpcap_test_adapter *test)
{
	u32 i;

	for (i = 0; i < queues; i++) {
		WRITE_ONCE(test->queues[i].stopped_ns, ktime_get_ns());
		hpcap_rxq_stop(test->adapter, i);
	}
}

static void hpcap_test_free(struct hpcap_test_adapter *test)
{
	u32 i;

	for (i = 0; i < queues; i++)
		vfree(test->queues[i].slots);
	kfree(test);
}

static struct hpcap_test_adapter *hpcap_test_create(u32 number)
{
	struct hpcap_adapter_info info = {
		.driver = KBUILD_MODNAME,
		.number = number,
		.queues = queues,
		.link_type = 1,	/* Ethernet */
	};
	struct hpcap_test_adapter *test;
	int err = -ENOMEM;
	u32 i;

	test = kzalloc(struct_size(test, queues, queues), GFP_KERNEL);
	if (!test)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < queues; i++) {
		hpcap_test_header(test->queues[i].header, number * 256 + i, size);
		test->queues[i].slots = vmalloc((u64)HPCAP_BATCH * slot_bytes);
		if (!test->queues[i].slots)
			goto fail;
	}
	test->adapter = hpcap_adapter_create(&info, &hpcap_test_ops);
	if (IS_ERR(test->adapter)) {
		err = PTR_ERR(test->adapter);
		goto fail;
	}
	err = hpcap_adapter_register(test->adapter);
	if (!err)
		return test;
	hpcap_adapter_free(test->adapter);
fail:
	hpcap_test_free(test);
	return ERR_PTR(err);
}

/* Removes an adapter while it may be up, as when a device is pulled out. Under tests_lock. */
static void hpcap_test_remove(u32 i)
{
	if (!tests[i])
		return;
	hpcap_adapter_unregister(tests[i]->adapter);
	hpcap_adapter_free(tests[i]->adapter);
	hpcap_test_free(tests[i]);
	tests[i] = NULL;
}

/* -------------------------------------------------------------------- parameters */

static int up_set(const char *text, const struct kernel_param *kp)
{
	bool now;
	u32 i;
	int err = kstrtobool(text, &now);

	if (err)
		return err;
	mutex_lock(&tests_lock);
	for (i = 0; loaded && now != is_up && i < adapters; i++) {
		if (tests[i] && now)
			hpcap_test_start(tests[i]);
		else if (tests[i])
			hpcap_test_stop(tests[i]);
	}
	is_up = now;
	mutex_unlock(&tests_lock);
	return 0;
}

static const struct kernel_param_ops up_ops = {
	.set = up_set,
	.get = param_get_bool,
};

module_param_cb(up, &up_ops, &is_up, 0644);
MODULE_PARM_DESC(up, "whether the interfaces are up and receive frames (1)");

static int remove_set(const char *text, const struct kernel_param *kp)
{
	u32 number;
	int err = kstrtou32(text, 0, &number);

	if (err)
		return err;
	mutex_lock(&tests_lock);
	if (!loaded || number < first || number - first >= adapters || !tests[number - first])
		err = -ENODEV;
	else
		hpcap_test_remove(number - first);
	mutex_unlock(&tests_lock);
	return err;
}

static const struct kernel_param_ops remove_ops = {
	.set = remove_set,
};

module_param_cb(remove, &remove_ops, NULL, 0200);
MODULE_PARM_DESC(remove, "write the number of an adapter to remove the adapter");

/* ------------------------------------------------------------------------ module */

static void hpcap_test_remove_all(void)
{
	u32 i;

	mutex_lock(&tests_lock);
	loaded = false;
	for (i = 0; i < adapters; i++)
		hpcap_test_remove(i);
	mutex_unlock(&tests_lock);
}

static int __init hpcap_test_init(void)
{
	int err = 0;
	u32 i;

	if (!adapters || adapters > HPCAP_TEST_ADAPTERS || !queues || queues > 128 ||
	    !backlog || size < HPCAP_TEST_BYTES_MIN || size > HPCAP_TEST_BYTES_MAX)
		return -EINVAL;
	slot_bytes = round_up(size, 64);
	mutex_lock(&tests_lock);
	loaded = true;
	for (i = 0; !err && i < adapters; i++) {
		struct hpcap_test_adapter *test = hpcap_test_create(first + i);

		if (IS_ERR(test)) {
			err = PTR_ERR(test);
			break;
		}
		tests[i] = test;
		if (is_up)
			hpcap_test_start(test);
	}
	mutex_unlock(&tests_lock);
	if (err)
		hpcap_test_remove_all();
	return err;
}

static void __exit hpcap_test_exit(void)
{
	hpcap_test_failure_exit();
	hpcap_test_remove_all();
}

module_init(hpcap_test_init);
module_exit(hpcap_test_exit);
MODULE_AUTHOR("hpcap");
MODULE_DESCRIPTION("Adapters without a NIC, for tests of hpcap.ko");
MODULE_LICENSE("GPL");
MODULE_VERSION(HPCAP_VERSION);
