// SPDX-License-Identifier: GPL-2.0-only
/* The text form of settings, and the module's parameters, which `modinfo hpcap.ko` lists. */
#include <linux/cpumask.h>
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/sched/prio.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include <hpcap.h>
#include "settings.h"

/* ------------------------------------------------------------------------- sizes */

/*
 * Parses decimal digits with an optional K, M, G or T. memparse() is no alternative: it accepts
 * "G" as 0, and lets sizes overflow.
 */
static int hpcap_parse_bytes(const char *text, u64 *bytes)
{
	static const char units[] = "KMGT";
	size_t n = strspn(text, "0123456789");
	const char *unit = "";
	char digits[24] = "";
	u32 shift = 0;
	u64 value;

	if (n >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, n);
	text += n;
	if (*text)
		unit = strchr(units, toupper(*text)) ?: "";
	if (*unit) {
		shift = 10 * (unit - units + 1);
		text++;
	}
	if (*text == '\n')
		text++;
	if (*text || kstrtou64(digits, 10, &value) || value > U64_MAX >> shift)
		return -EINVAL;
	*bytes = value << shift;
	return 0;
}

static int ring_bytes_parse(const char *text, struct hpcap_settings *s)
{
	return hpcap_parse_bytes(text, &s->ring_bytes);
}

static int ring_bytes_show(char *page, const struct hpcap_settings *s)
{
	return sysfs_emit(page, "%llu\n", s->ring_bytes);
}

const struct hpcap_setting hpcap_setting_ring_bytes = { ring_bytes_parse, ring_bytes_show };

static int caplen_parse(const char *text, struct hpcap_settings *s)
{
	u32 value;

	if (kstrtou32(text, 0, &value) || value > HPCAP_CAPLEN_MAX)
		return -EINVAL;
	s->caplen = value;
	return 0;
}

static int caplen_show(char *page, const struct hpcap_settings *s)
{
	return sysfs_emit(page, "%u\n", s->caplen);
}

const struct hpcap_setting hpcap_setting_caplen = { caplen_parse, caplen_show };

/* ------------------------------------------------------------------------ names */

static const char *const poll_names[] = {
	[HPCAP_POLL_ADAPTIVE] = "adaptive",
	[HPCAP_POLL_BUSY] = "busy",
};

static const char *const full_names[] = {
	[HPCAP_FULL_DROP] = "drop",
	[HPCAP_FULL_HOLD] = "hold",
};

static int poll_parse(const char *text, struct hpcap_settings *s)
{
	int i = sysfs_match_string(poll_names, text);

	if (i < 0)
		return -EINVAL;
	s->poll = i;
	return 0;
}

static int poll_show(char *page, const struct hpcap_settings *s)
{
	return sysfs_emit(page, "%s\n", poll_names[s->poll]);
}

const struct hpcap_setting hpcap_setting_poll = { poll_parse, poll_show };

static int when_full_parse(const char *text, struct hpcap_settings *s)
{
	int i = sysfs_match_string(full_names, text);

	if (i < 0)
		return -EINVAL;
	s->when_full = i;
	return 0;
}

static int when_full_show(char *page, const struct hpcap_settings *s)
{
	return sysfs_emit(page, "%s\n", full_names[s->when_full]);
}

const struct hpcap_setting hpcap_setting_when_full = { when_full_parse, when_full_show };

/* ---------------------------------------------------------------------- the rest */

static int cpu_parse(const char *text, struct hpcap_settings *s)
{
	int value;

	if (kstrtoint(text, 0, &value) || value < -1 || value >= (int)nr_cpu_ids ||
	    (value >= 0 && !cpu_online(value)))
		return -EINVAL;
	s->cpu = value;
	return 0;
}

static int cpu_show(char *page, const struct hpcap_settings *s)
{
	return sysfs_emit(page, "%d\n", s->cpu);
}

const struct hpcap_setting hpcap_setting_cpu = { cpu_parse, cpu_show };

static int priority_parse(const char *text, struct hpcap_settings *s)
{
	int value;

	if (sysfs_streq(text, "fifo"))
		value = HPCAP_PRIORITY_FIFO;
	else if (kstrtoint(text, 0, &value) || value < MIN_NICE || value > MAX_NICE)
		return -EINVAL;
	s->priority = value;
	return 0;
}

static int priority_show(char *page, const struct hpcap_settings *s)
{
	if (s->priority == HPCAP_PRIORITY_FIFO)
		return sysfs_emit(page, "fifo\n");
	return sysfs_emit(page, "%d\n", s->priority);
}

const struct hpcap_setting hpcap_setting_priority = { priority_parse, priority_show };

static int plain_parse(const char *text, struct hpcap_settings *s)
{
	return kstrtobool(text, &s->plain);
}

static int plain_show(char *page, const struct hpcap_settings *s)
{
	return sysfs_emit(page, "%d\n", s->plain);
}

const struct hpcap_setting hpcap_setting_plain = { plain_parse, plain_show };

static int look_back_parse(const char *text, struct hpcap_settings *s)
{
	return kstrtobool(text, &s->look_back);
}

static int look_back_show(char *page, const struct hpcap_settings *s)
{
	return sysfs_emit(page, "%d\n", s->look_back);
}

const struct hpcap_setting hpcap_setting_look_back = { look_back_parse, look_back_show };

/* ------------------------------------------------------------------- parameters */

static struct hpcap_settings defaults = {
	.ring_bytes = 64ull << 20,
	.poll = HPCAP_POLL_ADAPTIVE,
	.when_full = HPCAP_FULL_DROP,
	.cpu = -1,
};

/*
 * Protects `defaults`. kernel_param_lock() cannot do that: another module may register an adapter
 * while a parameter of that module is written, and lockdep treats the parameter locks of all
 * modules as one class.
 */
static DEFINE_MUTEX(defaults_lock);

struct hpcap_settings hpcap_default_settings(void)
{
	struct hpcap_settings settings;

	mutex_lock(&defaults_lock);
	settings = defaults;
	mutex_unlock(&defaults_lock);
	return settings;
}

static int param_set(const char *text, const struct kernel_param *kp)
{
	const struct hpcap_setting *setting = kp->arg;
	int err;

	mutex_lock(&defaults_lock);
	err = setting->parse(text, &defaults);
	mutex_unlock(&defaults_lock);
	return err;
}

static int param_get(char *page, const struct kernel_param *kp)
{
	const struct hpcap_setting *setting = kp->arg;
	struct hpcap_settings settings = hpcap_default_settings();

	return setting->show(page, &settings);
}

static const struct kernel_param_ops param_ops = {
	.set = param_set,
	.get = param_get,
};

module_param_cb(ring_bytes, &param_ops, (void *)&hpcap_setting_ring_bytes, 0644);
MODULE_PARM_DESC(ring_bytes, "size of a queue's ring in bytes, or with a suffix K, M or G (64M)");
module_param_cb(poll, &param_ops, (void *)&hpcap_setting_poll, 0644);
MODULE_PARM_DESC(poll, "how poll threads wait for frames: `adaptive` or `busy` (adaptive)");
module_param_cb(when_full, &param_ops, (void *)&hpcap_setting_when_full, 0644);
MODULE_PARM_DESC(when_full, "`drop` frames that find no room, or `hold` them in the NIC (drop)");
module_param_cb(caplen, &param_ops, (void *)&hpcap_setting_caplen, 0644);
MODULE_PARM_DESC(caplen, "bytes kept of each frame; 0 keeps all (0)");
module_param_cb(cpu, &param_ops, (void *)&hpcap_setting_cpu, 0644);
MODULE_PARM_DESC(cpu, "CPU of the poll threads; -1 gives each one of its own near the NIC, an isolated one first (-1)");
module_param_cb(priority, &param_ops, (void *)&hpcap_setting_priority, 0644);
MODULE_PARM_DESC(priority, "priority of the poll threads: nice value, -20 to 19, or fifo (0)");
module_param_cb(plain, &param_ops, (void *)&hpcap_setting_plain, 0644);
MODULE_PARM_DESC(plain, "whether rings have no tags: no file headers, gaps and ledgers (0)");
module_param_cb(look_back, &param_ops, (void *)&hpcap_setting_look_back, 0644);
MODULE_PARM_DESC(look_back, "whether queues also capture while nobody listens (0)");
