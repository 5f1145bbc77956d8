// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filters of a queue in sysfs: the file `filter`, and the duplicate filter in the folder
 * `dedup`. A write takes effect with the next batch, or fails and changes nothing.
 */
#include <linux/kernel.h>
#include <linux/sysfs.h>

#include "stages.h"
#include "sysfs.h"

/*
 * Prints the filter in the form of `tcpdump -ddd`, with its expression behind a `#` on the line
 * before, if there is one. A file in sysfs holds one page, which is about 250 instructions.
 */
static ssize_t filter_show(struct device *dev, struct device_attribute *attr, char *page)
{
	struct hpcap_rxq *rxq = hpcap_to_rxq(dev);
	const struct hpcap_stages *stages = &rxq->stages;
	int n = 0;
	u32 i;

	spin_lock(&rxq->view);
	if (stages->expression[0])
		n += sysfs_emit_at(page, n, "# %s\n", stages->expression);
	if (stages->program)
		n += sysfs_emit_at(page, n, "%u", stages->instructions);
	n += sysfs_emit_at(page, n, "\n");
	for (i = 0; i < stages->instructions; i++) {
		const struct hpcap_insn *insn = &stages->program[i];

		n += sysfs_emit_at(page, n, "%u %u %u %u\n", insn->code, insn->jt, insn->jf,
				   insn->k);
	}
	spin_unlock(&rxq->view);
	return n;
}

static ssize_t filter_store(struct device *dev, struct device_attribute *attr, const char *text,
			    size_t len)
{
	return hpcap_stages_set_filter(hpcap_to_rxq(dev), text, len) ?: len;
}

static DEVICE_ATTR_RW(filter);

static struct attribute *filter_attrs[] = {
	&dev_attr_filter.attr,
	NULL
};

const struct attribute_group hpcap_filter_group = {
	.attrs = filter_attrs,
};

/* ----------------------------------------------------------------------- dedup */

/* A file in `dedup`. For the files ignore_*, `bit` is an enum hpcap_dedup_ignore. */
struct hpcap_dedup_attr {
	struct device_attribute attr;
	int (*parse)(const char *text, struct hpcap_dedup_wish *wish, u32 bit);
	int (*show)(char *page, const struct hpcap_dedup_wish *wish, u32 bit);
	u32 bit;
};

/* Serialises writers, each of whom changes one setting, so that no change is lost. */
static DEFINE_MUTEX(dedup_lock);

static struct hpcap_dedup_wish hpcap_dedup_now(struct hpcap_rxq *rxq)
{
	struct hpcap_dedup_wish wish;

	spin_lock(&rxq->view);
	wish = rxq->stages.wish;
	spin_unlock(&rxq->view);
	return wish;
}

static ssize_t dedup_show(struct device *dev, struct device_attribute *attr, char *page)
{
	const struct hpcap_dedup_attr *a = container_of(attr, struct hpcap_dedup_attr, attr);
	struct hpcap_dedup_wish wish = hpcap_dedup_now(hpcap_to_rxq(dev));

	return a->show(page, &wish, a->bit);
}

static ssize_t dedup_store(struct device *dev, struct device_attribute *attr, const char *text,
			   size_t len)
{
	const struct hpcap_dedup_attr *a = container_of(attr, struct hpcap_dedup_attr, attr);
	struct hpcap_rxq *rxq = hpcap_to_rxq(dev);
	struct hpcap_dedup_wish wish;
	int err;

	mutex_lock(&dedup_lock);
	wish = hpcap_dedup_now(rxq);
	err = a->parse(text, &wish, a->bit) ? -EINVAL : hpcap_stages_set_dedup(rxq, &wish);
	mutex_unlock(&dedup_lock);
	return err ?: len;
}

static int enabled_parse(const char *text, struct hpcap_dedup_wish *wish, u32 bit)
{
	return kstrtobool(text, &wish->enabled);
}

static int enabled_show(char *page, const struct hpcap_dedup_wish *wish, u32 bit)
{
	return sysfs_emit(page, "%d\n", wish->enabled);
}

static struct hpcap_dedup_attr enabled = {
	__ATTR(enabled, 0644, dedup_show, dedup_store), enabled_parse, enabled_show
};

static int window_parse(const char *text, struct hpcap_dedup_wish *wish, u32 bit)
{
	return kstrtou32(text, 0, &wish->settings.window);
}

static int window_show(char *page, const struct hpcap_dedup_wish *wish, u32 bit)
{
	return sysfs_emit(page, "%u\n", wish->settings.window);
}

static struct hpcap_dedup_attr window = {
	__ATTR(window, 0644, dedup_show, dedup_store), window_parse, window_show
};

static int compare_bytes_parse(const char *text, struct hpcap_dedup_wish *wish, u32 bit)
{
	u32 bytes;
	int err;

	if (sysfs_streq(text, "auto")) {
		wish->settings.compare_bytes = HPCAP_DEDUP_AUTO;
		return 0;
	}
	err = kstrtou32(text, 0, &bytes);
	if (err || !bytes)
		return err ?: -EINVAL;
	wish->settings.compare_bytes = bytes;
	return 0;
}

static int compare_bytes_show(char *page, const struct hpcap_dedup_wish *wish, u32 bit)
{
	if (wish->settings.compare_bytes == HPCAP_DEDUP_AUTO)
		return sysfs_emit(page, "auto\n");
	return sysfs_emit(page, "%u\n", wish->settings.compare_bytes);
}

static struct hpcap_dedup_attr compare_bytes = {
	__ATTR(compare_bytes, 0644, dedup_show, dedup_store), compare_bytes_parse,
	compare_bytes_show
};

static int age_ns_parse(const char *text, struct hpcap_dedup_wish *wish, u32 bit)
{
	return kstrtou64(text, 0, &wish->settings.age_ns);
}

static int age_ns_show(char *page, const struct hpcap_dedup_wish *wish, u32 bit)
{
	return sysfs_emit(page, "%llu\n", wish->settings.age_ns);
}

static struct hpcap_dedup_attr age_ns = {
	__ATTR(age_ns, 0644, dedup_show, dedup_store), age_ns_parse, age_ns_show
};

static int renew_parse(const char *text, struct hpcap_dedup_wish *wish, u32 bit)
{
	bool renew;
	int err = kstrtobool(text, &renew);

	if (!err)
		wish->settings.renew = renew;
	return err;
}

static int renew_show(char *page, const struct hpcap_dedup_wish *wish, u32 bit)
{
	return sysfs_emit(page, "%u\n", wish->settings.renew);
}

static struct hpcap_dedup_attr renew = {
	__ATTR(renew, 0644, dedup_show, dedup_store), renew_parse, renew_show
};

static const char *const action_names[] = { "drop", "mark" };
static const u32 actions[] = { HPCAP_DEDUP_DROP, HPCAP_DEDUP_MARK };

static int action_parse(const char *text, struct hpcap_dedup_wish *wish, u32 bit)
{
	int i = sysfs_match_string(action_names, text);

	if (i < 0)
		return i;
	wish->settings.action = actions[i];
	return 0;
}

static int action_show(char *page, const struct hpcap_dedup_wish *wish, u32 bit)
{
	return sysfs_emit(page, "%s\n",
			  action_names[wish->settings.action == HPCAP_DEDUP_MARK]);
}

static struct hpcap_dedup_attr action = {
	__ATTR(action, 0644, dedup_show, dedup_store), action_parse, action_show
};

static int ignore_parse(const char *text, struct hpcap_dedup_wish *wish, u32 bit)
{
	bool ignore;
	int err = kstrtobool(text, &ignore);

	if (err)
		return err;
	wish->settings.ignore &= ~bit;
	wish->settings.ignore |= ignore ? bit : 0;
	return 0;
}

static int ignore_show(char *page, const struct hpcap_dedup_wish *wish, u32 bit)
{
	return sysfs_emit(page, "%d\n", !!(wish->settings.ignore & bit));
}

static struct hpcap_dedup_attr ignore_ttl = {
	__ATTR(ignore_ttl, 0644, dedup_show, dedup_store), ignore_parse, ignore_show,
	HPCAP_IGNORE_TTL
};

static struct hpcap_dedup_attr ignore_ip_checksum = {
	__ATTR(ignore_ip_checksum, 0644, dedup_show, dedup_store), ignore_parse, ignore_show,
	HPCAP_IGNORE_IP_SUM
};

static struct hpcap_dedup_attr ignore_vlan = {
	__ATTR(ignore_vlan, 0644, dedup_show, dedup_store), ignore_parse, ignore_show,
	HPCAP_IGNORE_VLAN
};

static struct hpcap_dedup_attr ignore_mac = {
	__ATTR(ignore_mac, 0644, dedup_show, dedup_store), ignore_parse, ignore_show,
	HPCAP_IGNORE_MAC
};

static struct attribute *dedup_attrs[] = {
	&enabled.attr.attr,
	&window.attr.attr,
	&compare_bytes.attr.attr,
	&age_ns.attr.attr,
	&renew.attr.attr,
	&action.attr.attr,
	&ignore_ttl.attr.attr,
	&ignore_ip_checksum.attr.attr,
	&ignore_vlan.attr.attr,
	&ignore_mac.attr.attr,
	NULL
};

const struct attribute_group hpcap_dedup_group = {
	.name = "dedup",
	.attrs = dedup_attrs,
};
