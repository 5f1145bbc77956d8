// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attributes of a queue in sysfs: /sys/class/hpcap/hpcap_N_Q/. A value that is written takes
 * effect with the next batch; an invalid value is refused with -EINVAL, and changes nothing. Every
 * file ends with a newline, and all files but `filter` and `listeners` have one line.
 */
#include <linux/kernel.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/string_helpers.h>
#include <linux/sysfs.h>

#include "change.h"
#include "poll.h"
#include "queue.h"
#include "ring_types.h"
#include "service.h"
#include "settings.h"
#include "sysfs.h"

/* -------------------------------------------------------------------- settings */

struct hpcap_setting_attr {
	struct device_attribute attr;
	const struct hpcap_setting *setting;
};

static const struct hpcap_setting *hpcap_attr_setting(struct device_attribute *attr)
{
	return container_of(attr, struct hpcap_setting_attr, attr)->setting;
}

static struct hpcap_settings hpcap_settings_now(struct hpcap_rxq *rxq)
{
	struct hpcap_settings settings;

	spin_lock(&rxq->view);
	settings = rxq->settings;
	spin_unlock(&rxq->view);
	return settings;
}

static ssize_t setting_show(struct device *dev, struct device_attribute *attr, char *page)
{
	struct hpcap_settings settings = hpcap_settings_now(hpcap_to_rxq(dev));

	return hpcap_attr_setting(attr)->show(page, &settings);
}

/* Puts the settings into force that concern the poll thread. */
static void hpcap_settings_apply(struct hpcap_rxq *rxq, void *data)
{
	const struct hpcap_settings *settings = data;

	rxq->poll = settings->poll;
	rxq->when_full = settings->when_full;
	if (settings->caplen != rxq->ring.queue->caplen) {
		hpcap_ring_set_caplen(&rxq->ring, settings->caplen);
		hpcap_rxq_new_file(rxq);
	}
}

static ssize_t setting_store(struct device *dev, struct device_attribute *attr, const char *text,
			     size_t len)
{
	struct hpcap_rxq *rxq = hpcap_to_rxq(dev);
	struct hpcap_settings settings;
	int err;

	mutex_lock(&rxq->lock);
	settings = rxq->settings;
	err = hpcap_attr_setting(attr)->parse(text, &settings);
	if (!err) {
		hpcap_rxq_change(rxq, hpcap_settings_apply, &settings);
		spin_lock(&rxq->view);
		/* The poll thread may read `cpu`, which does not change here. */
		data_race(rxq->settings = settings);
		spin_unlock(&rxq->view);
	}
	mutex_unlock(&rxq->lock);
	return err ?: len;
}

static ssize_t cpu_store(struct device *dev, struct device_attribute *attr, const char *text,
			 size_t len)
{
	struct hpcap_rxq *rxq = hpcap_to_rxq(dev);
	struct hpcap_settings settings;
	int err;

	err = hpcap_setting_cpu.parse(text, &settings) ?: hpcap_poll_bind(rxq, settings.cpu);
	return err ?: len;
}

static ssize_t priority_store(struct device *dev, struct device_attribute *attr, const char *text,
			      size_t len)
{
	struct hpcap_rxq *rxq = hpcap_to_rxq(dev);
	struct hpcap_settings settings;
	int err;

	err = hpcap_setting_priority.parse(text, &settings) ?:
	      hpcap_poll_prioritise(rxq, settings.priority);
	return err ?: len;
}

/*
 * Gives the queue a new ring of ordinary pages: offsets and ledger start anew. -EBUSY while a
 * listener is attached.
 */
static ssize_t ring_bytes_store(struct device *dev, struct device_attribute *attr,
				const char *text, size_t len)
{
	struct hpcap_rxq *rxq = hpcap_to_rxq(dev);
	struct hpcap_settings settings;
	struct hpcap_memory *memory;
	int err;

	err = hpcap_setting_ring_bytes.parse(text, &settings);
	if (err)
		return err;
	memory = hpcap_memory_alloc(settings.ring_bytes, rxq->node);
	if (IS_ERR(memory))
		return PTR_ERR(memory);
	err = hpcap_rxq_set_memory(rxq, memory);
	if (err) {
		hpcap_memory_put(memory);
		return err;
	}
	return len;
}

static struct hpcap_setting_attr caplen = {
	__ATTR(caplen, 0644, setting_show, setting_store), &hpcap_setting_caplen
};

static struct hpcap_setting_attr poll = {
	__ATTR(poll, 0644, setting_show, setting_store), &hpcap_setting_poll
};

static struct hpcap_setting_attr when_full = {
	__ATTR(when_full, 0644, setting_show, setting_store), &hpcap_setting_when_full
};

/* `plain` and `look_back` are properties of a ring, so they apply after a write to ring_bytes. */
static struct hpcap_setting_attr plain = {
	__ATTR(plain, 0644, setting_show, setting_store), &hpcap_setting_plain
};

static struct hpcap_setting_attr look_back = {
	__ATTR(look_back, 0644, setting_show, setting_store), &hpcap_setting_look_back
};

static struct hpcap_setting_attr cpu = {
	__ATTR(cpu, 0644, setting_show, cpu_store), &hpcap_setting_cpu
};

static struct hpcap_setting_attr priority = {
	__ATTR(priority, 0644, setting_show, priority_store), &hpcap_setting_priority
};

static struct hpcap_setting_attr ring_bytes = {
	__ATTR(ring_bytes, 0644, setting_show, ring_bytes_store), &hpcap_setting_ring_bytes
};

/* ------------------------------------------------------------------------ state */

static ssize_t page_bytes_show(struct device *dev, struct device_attribute *attr, char *page)
{
	struct hpcap_memory *memory = hpcap_rxq_memory(hpcap_to_rxq(dev));
	int n = sysfs_emit(page, "%llu\n", memory->page_bytes);

	hpcap_memory_put(memory);
	return n;
}

static DEVICE_ATTR_RO(page_bytes);

/* "up" between hpcap_rxq_start() and hpcap_rxq_stop(), while the interface can receive. */
static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *page)
{
	bool up = READ_ONCE(hpcap_to_rxq(dev)->rx);

	return sysfs_emit(page, "%s\n", up ? "up" : "down");
}

static DEVICE_ATTR_RO(state);

/* The longest time between two looks of the poll thread while the interface was up. */
static ssize_t longest_pause_ns_show(struct device *dev, struct device_attribute *attr, char *page)
{
	struct hpcap_memory *memory = hpcap_rxq_memory(hpcap_to_rxq(dev));
	int n = sysfs_emit(page, "%llu\n", READ_ONCE(memory->queue->longest_pause_ns));

	hpcap_memory_put(memory);
	return n;
}

static DEVICE_ATTR_RO(longest_pause_ns);

static const char *hpcap_listener_contract(const struct hpcap_listener *l)
{
	switch (l->state) {
	case HPCAP_SLOT_STARTING:
		return "starting";
	case HPCAP_SLOT_KILLED:
		return "killed";
	case HPCAP_SLOT_FINISHED:
		return "finished";
	default:
		return l->contract == HPCAP_LOSSY ? "lossy" : "lossless";
	}
}

/* An escaped name is cut to this length, so that the lines of all listeners fit in a page. */
#define HPCAP_SHOWN_NAME_BYTES	54

/*
 * The name of a listener, which its program chose: everything but printable ASCII is escaped
 * (\x1b), so that no name commands the terminal that shows it. A name of 31 printable characters
 * is never cut.
 */
static void hpcap_escape_name(const struct hpcap_listener *l, char *text, size_t bytes)
{
	int n = string_escape_mem(l->name, strnlen(l->name, sizeof(l->name)), text, bytes - 1,
				  ESCAPE_HEX | ESCAPE_NAP | ESCAPE_APPEND, "\\");

	text[min_t(size_t, n, bytes - 1)] = '\0';
}

/* Returns the published bytes that an active listener has not acknowledged, else 0. */
static u64 hpcap_listener_lag(const struct hpcap_queue *queue, const struct hpcap_listener *l)
{
	u64 published = READ_ONCE(queue->published);

	return l->state == HPCAP_SLOT_ACTIVE && published > l->read_off ?
	       published - l->read_off : 0;
}

/*
 * Returns the number that the reader's PID namespace has for a process, or 0 where it has none. The
 * process may have ended, and a descriptor that it has passed on may keep its listener.
 */
static u32 hpcap_reader_pid(u32 number)
{
	struct pid_namespace *reader = task_active_pid_ns(current);
	u32 seen;

	if (reader == &init_pid_ns)
		return number;
	rcu_read_lock();
	seen = pid_nr_ns(find_pid_ns(number, &init_pid_ns), reader);
	rcu_read_unlock();
	return seen;
}

/*
 * Prints a line for each listener: id, pid, uid, contract, lag in bytes, name. The file says who
 * captures: only root may read it, and by udev (70-hpcap.rules) the group that may open the queue.
 */
static ssize_t listeners_show(struct device *dev, struct device_attribute *attr, char *page)
{
	struct hpcap_memory *memory = hpcap_rxq_memory(hpcap_to_rxq(dev));
	const struct hpcap_queue *queue = memory->queue;
	int n = 0;
	u32 i;

	for (i = 0; i < HPCAP_SLOTS; i++) {
		char name[HPCAP_SHOWN_NAME_BYTES];
		struct hpcap_listener l;

		if (!hpcap_queue_listener(queue, i, &l))
			continue;
		hpcap_escape_name(&l, name, sizeof(name));
		n += sysfs_emit_at(page, n, "%llu %u %u %s %llu %s\n", l.id,
				   hpcap_reader_pid(l.pid), l.uid,
				   hpcap_listener_contract(&l), hpcap_listener_lag(queue, &l),
				   name);
	}
	hpcap_memory_put(memory);
	return n ?: sysfs_emit(page, "\n");
}

static struct device_attribute dev_attr_listeners = __ATTR(listeners, 0400, listeners_show, NULL);

static struct attribute *queue_attrs[] = {
	&caplen.attr.attr,
	&poll.attr.attr,
	&when_full.attr.attr,
	&plain.attr.attr,
	&look_back.attr.attr,
	&cpu.attr.attr,
	&priority.attr.attr,
	&ring_bytes.attr.attr,
	&dev_attr_page_bytes.attr,
	&dev_attr_state.attr,
	&dev_attr_longest_pause_ns.attr,
	&dev_attr_listeners.attr,
	NULL
};

static const struct attribute_group queue_group = {
	.attrs = queue_attrs,
};

/* ----------------------------------------------------------------------- ledger */

struct hpcap_ledger_attr {
	struct device_attribute attr;
	u32 reason;
};

/* Frames and bytes, counted from the start of the ring. */
static ssize_t ledger_show(struct device *dev, struct device_attribute *attr, char *page)
{
	u32 reason = container_of(attr, struct hpcap_ledger_attr, attr)->reason;
	struct hpcap_count ledger[HPCAP_LEDGER_REASONS];

	hpcap_rxq_ledger(hpcap_to_rxq(dev), ledger);
	return sysfs_emit(page, "%llu %llu\n", ledger[reason].frames, ledger[reason].bytes);
}

static struct hpcap_ledger_attr captured = {
	__ATTR(captured, 0444, ledger_show, NULL), HPCAP_CAPTURED
};

static struct hpcap_ledger_attr duplicate = {
	__ATTR(duplicate, 0444, ledger_show, NULL), HPCAP_DUPLICATE
};

static struct hpcap_ledger_attr filtered = {
	__ATTR(filtered, 0444, ledger_show, NULL), HPCAP_FILTERED
};

static struct hpcap_ledger_attr no_listener = {
	__ATTR(no_listener, 0444, ledger_show, NULL), HPCAP_NO_LISTENER
};

static struct hpcap_ledger_attr ring_full = {
	__ATTR(ring_full, 0444, ledger_show, NULL), HPCAP_RING_FULL
};

static struct hpcap_ledger_attr nic_missed = {
	__ATTR(nic_missed, 0444, ledger_show, NULL), HPCAP_NIC_MISSED
};

static struct hpcap_ledger_attr nic_error = {
	__ATTR(nic_error, 0444, ledger_show, NULL), HPCAP_NIC_ERROR
};

static struct attribute *ledger_attrs[] = {
	&captured.attr.attr,
	&duplicate.attr.attr,
	&filtered.attr.attr,
	&no_listener.attr.attr,
	&ring_full.attr.attr,
	&nic_missed.attr.attr,
	&nic_error.attr.attr,
	NULL
};

static const struct attribute_group ledger_group = {
	.name = "ledger",
	.attrs = ledger_attrs,
};

const struct attribute_group *hpcap_rxq_groups[] = {
	&queue_group,
	&ledger_group,
	&hpcap_filter_group,
	&hpcap_dedup_group,
	NULL
};
