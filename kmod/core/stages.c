// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filters of a queue, and how they are replaced while frames flow.
 *
 * Debug messages: `file stages.c +p` in /proc/dynamic_debug/control.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "change.h"
#include "dedup.h"
#include "filter_text.h"
#include "rxq.h"
#include "service.h"
#include "stages.h"

void hpcap_stages_init(struct hpcap_stages *stages)
{
	stages->pipeline.marks = stages->marks;
	/* The defaults of `hpcapd --dedup`. The module captures only Ethernet. */
	stages->wish.settings = (struct hpcap_dedup_settings) {
		.window = 32768,
		.compare_bytes = HPCAP_DEDUP_AUTO,
		.age_ns = 2 * HPCAP_NS_PER_S,
		.action = HPCAP_DEDUP_DROP,
		.renew = 1,
		.link_type = 1,
	};
}

void hpcap_stages_free(struct hpcap_stages *stages)
{
	kvfree(stages->program);
	kvfree(stages->window);
}

void hpcap_stages_describe(const struct hpcap_stages *stages, char *text, size_t bytes)
{
	memset(text, 0, bytes);
	if (stages->program && !stages->expression[0])
		snprintf(text, bytes, "classic BPF, %u instructions", stages->instructions);
	else
		strscpy(text, stages->expression, bytes);
}

/*
 * Copies the comment line before the program, without `#` and blanks, into `expression`. Returns
 * the start of the next line.
 */
static const char *hpcap_stages_expression(const char *text, const char *end, char *expression,
					   size_t bytes)
{
	const char *line_end;
	size_t n;

	if (text == end || *text != '#')
		return text;
	for (text++; text < end && (*text == ' ' || *text == '\t'); text++)
		;
	line_end = memchr(text, '\n', end - text) ?: end;
	n = min_t(size_t, line_end - text, bytes - 1);
	memcpy(expression, text, n);
	expression[n] = '\0';
	return line_end < end ? line_end + 1 : end;
}

/* Returns the checked program, or an ERR_PTR. */
static struct hpcap_insn *hpcap_stages_parse(const char *text, size_t len, u32 *instructions)
{
	struct hpcap_insn *program;
	int n;

	program = kvmalloc_array(HPCAP_FILTER_MAX, sizeof(*program), GFP_KERNEL);
	if (!program)
		return ERR_PTR(-ENOMEM);
	n = hpcap_filter_parse(text, len, program, HPCAP_FILTER_MAX);
	if (n < 0) {
		kvfree(program);
		return ERR_PTR(n);
	}
	*instructions = n;
	return program;
}

static void hpcap_stages_use_program(struct hpcap_rxq *rxq, void *data)
{
	struct hpcap_stages *stages = &rxq->stages;

	stages->pipeline.program = stages->program;
	hpcap_stages_describe(stages, rxq->ring.header.filter, sizeof(rxq->ring.header.filter));
	hpcap_rxq_new_file(rxq);
}

int hpcap_stages_set_filter(struct hpcap_rxq *rxq, const char *text, size_t len)
{
	struct hpcap_stages *stages = &rxq->stages;
	const char *end = text + len;
	char expression[sizeof(stages->expression)] = "";
	const struct hpcap_insn *program = NULL;
	u32 instructions = 0;

	while (text < end && isspace(*text))
		text++;
	if (text < end) {
		text = hpcap_stages_expression(text, end, expression, sizeof(expression));
		program = hpcap_stages_parse(text, end - text, &instructions);
	}
	if (IS_ERR(program))
		return PTR_ERR(program);

	mutex_lock(&rxq->lock);
	spin_lock(&rxq->view);
	swap(stages->program, program);
	stages->instructions = instructions;
	memcpy(stages->expression, expression, sizeof(expression));
	spin_unlock(&rxq->view);
	hpcap_rxq_change(rxq, hpcap_stages_use_program, NULL);
	mutex_unlock(&rxq->lock);
	/* Neither the poll thread nor a reader of sysfs has the old program any more. */
	kvfree(program);
	pr_debug("hpcap_%u_%u: filter of %u instructions\n", rxq->number, rxq->index,
		 instructions);
	return 0;
}

/* Whether the window of settings `a` can be used with settings `b`. */
static bool hpcap_stages_same_window(const struct hpcap_dedup_wish *a,
				     const struct hpcap_dedup_wish *b)
{
	return a->enabled == b->enabled && a->settings.window == b->settings.window &&
	       a->settings.compare_bytes == b->settings.compare_bytes &&
	       a->settings.ignore == b->settings.ignore;
}

/* Puts settings into force that the window does not depend on. */
static void hpcap_stages_adjust_dedup(struct hpcap_rxq *rxq, void *data)
{
	const struct hpcap_dedup_settings *settings = data;
	struct hpcap_dedup *dedup = &rxq->stages.dedup;

	dedup->age_ns = settings->age_ns;
	dedup->action = settings->action;
	dedup->renew = settings->renew;
}

/* A duplicate filter and its memory; the change puts the former memory here. */
struct hpcap_dedup_part {
	struct hpcap_dedup dedup;
	void *window;
};

static void hpcap_stages_use_dedup(struct hpcap_rxq *rxq, void *data)
{
	struct hpcap_stages *stages = &rxq->stages;
	struct hpcap_dedup_part *part = data;

	swap(stages->window, part->window);
	stages->dedup = part->dedup;
	stages->pipeline.dedup = stages->window ? &stages->dedup : NULL;
}

/* Shows the settings in sysfs. Under `lock`. */
static void hpcap_stages_show_dedup(struct hpcap_rxq *rxq, const struct hpcap_dedup_wish *wish)
{
	spin_lock(&rxq->view);
	rxq->stages.wish = *wish;
	spin_unlock(&rxq->view);
}

int hpcap_stages_set_dedup(struct hpcap_rxq *rxq, const struct hpcap_dedup_wish *wish)
{
	struct hpcap_stages *stages = &rxq->stages;
	struct hpcap_dedup_settings settings = wish->settings;
	u64 bytes = hpcap_dedup_memory(&settings);
	struct hpcap_dedup_part part = {};
	bool renew;

	if (!bytes)
		return -EINVAL;
	mutex_lock(&rxq->lock);
	renew = !hpcap_stages_same_window(&stages->wish, wish);
	if (!renew) {
		hpcap_rxq_change(rxq, hpcap_stages_adjust_dedup, &settings);
		hpcap_stages_show_dedup(rxq, wish);
	}
	mutex_unlock(&rxq->lock);
	if (!renew)
		return 0;

	if (wish->enabled) {
		/* Lookups hit random addresses, so large pages save TLB misses. */
		part.window = bytes <= INT_MAX ? kvmalloc_node(bytes, GFP_KERNEL, rxq->node) :
						 vmalloc_node(bytes, rxq->node);
		if (!part.window)
			return -ENOMEM;
		settings.seed = get_random_u64();
		hpcap_dedup_init(&part.dedup, &settings, part.window);
	}
	mutex_lock(&rxq->lock);
	hpcap_rxq_change(rxq, hpcap_stages_use_dedup, &part);
	hpcap_stages_show_dedup(rxq, wish);
	mutex_unlock(&rxq->lock);
	kvfree(part.window);
	pr_debug("hpcap_%u_%u: window of %llu bytes\n", rxq->number, rxq->index,
		 wish->enabled ? bytes : 0);
	return 0;
}
