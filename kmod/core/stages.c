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

#include "dedup.h"
#include "filter_text.h"
#include "rxq.h"
#include "service.h"
#include "stages.h"
#include "wake.h"

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
	kvfree(stages->pipeline.program);
	kvfree(stages->window);
}

void hpcap_stages_describe(const struct hpcap_stages *stages, char *text, size_t bytes)
{
	memset(text, 0, bytes);
	if (stages->pipeline.program && !stages->expression[0])
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
	swap(stages->pipeline.program, program);
	stages->instructions = instructions;
	memcpy(stages->expression, expression, sizeof(expression));
	spin_unlock(&rxq->view);
	hpcap_stages_describe(stages, rxq->ring.header.filter, sizeof(rxq->ring.header.filter));
	hpcap_rxq_new_file(rxq);
	mutex_unlock(&rxq->lock);
	hpcap_rxq_kick(rxq);
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

int hpcap_stages_set_dedup(struct hpcap_rxq *rxq, const struct hpcap_dedup_wish *wish)
{
	struct hpcap_stages *stages = &rxq->stages;
	struct hpcap_dedup_settings settings = wish->settings;
	u64 bytes = hpcap_dedup_memory(&settings);
	struct hpcap_dedup dedup = {};
	void *window = NULL;
	bool renew;

	if (!bytes)
		return -EINVAL;
	mutex_lock(&rxq->lock);
	renew = !hpcap_stages_same_window(&stages->wish, wish);
	if (!renew) {
		spin_lock(&rxq->view);
		stages->wish = *wish;
		spin_unlock(&rxq->view);
		stages->dedup.age_ns = settings.age_ns;
		stages->dedup.action = settings.action;
		stages->dedup.renew = settings.renew;
	}
	mutex_unlock(&rxq->lock);
	if (!renew)
		return 0;

	if (wish->enabled) {
		/* Lookups hit random addresses, so large pages save TLB misses. */
		window = bytes <= INT_MAX ? kvmalloc_node(bytes, GFP_KERNEL, rxq->node) :
					    vmalloc_node(bytes, rxq->node);
		if (!window)
			return -ENOMEM;
		settings.seed = get_random_u64();
		hpcap_dedup_init(&dedup, &settings, window);
	}
	mutex_lock(&rxq->lock);
	swap(stages->window, window);
	stages->dedup = dedup;
	stages->pipeline.dedup = stages->window ? &stages->dedup : NULL;
	spin_lock(&rxq->view);
	stages->wish = *wish;
	spin_unlock(&rxq->view);
	mutex_unlock(&rxq->lock);
	kvfree(window);
	pr_debug("hpcap_%u_%u: window of %llu bytes\n", rxq->number, rxq->index,
		 wish->enabled ? bytes : 0);
	return 0;
}
