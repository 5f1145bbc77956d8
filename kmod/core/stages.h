/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The filters of a queue: its pipeline (pipeline.h), and the settings that the pipeline is made
 * of. They change while frames flow: the large parts are allocated first, and exchanged under
 * the queue's lock.
 */
#ifndef _HPCAP_STAGES_H
#define _HPCAP_STAGES_H

#include "pipeline.h"

struct hpcap_rxq;

/* Settings of the duplicate filter, as sysfs shows them. */
struct hpcap_dedup_wish {
	struct hpcap_dedup_settings settings;
	bool enabled;
};

struct hpcap_stages {
	struct hpcap_pipeline pipeline;	/* under the queue's lock */
	u32 instructions;
	char expression[256];		/* source of the program, where the user gave it */

	struct hpcap_dedup_wish wish;
	struct hpcap_dedup dedup;
	void *window;			/* the memory of `dedup`; NULL: no frame is compared */
	u8 marks[HPCAP_BATCH];		/* of the pipeline */
};

void hpcap_stages_init(struct hpcap_stages *stages);
void hpcap_stages_free(struct hpcap_stages *stages);

/*
 * The filter of `text`: what `tcpdump -ddd` prints, the expression behind a `#` on a line before
 * it or not (tcpdump -ddd EXPRESSION | sed '1i# EXPRESSION'); nothing but blanks is no filter. A
 * file starts, whose header has the expression.
 * -EINVAL and -EOPNOTSUPP as hpcap_filter_parse(), -ENOMEM: it stays as it was.
 */
int hpcap_stages_set_filter(struct hpcap_rxq *rxq, const char *text, size_t len);
/*
 * Sets the duplicate filter. -EINVAL where a setting is out of its range, or -ENOMEM: nothing has
 * changed then.
 */
int hpcap_stages_set_dedup(struct hpcap_rxq *rxq, const struct hpcap_dedup_wish *wish);

/* Writes the description of the filter that file headers contain. */
void hpcap_stages_describe(const struct hpcap_stages *stages, char *text, size_t bytes);

/* sysfs_stages.c */
extern const struct attribute_group hpcap_filter_group;
extern const struct attribute_group hpcap_dedup_group;

#endif /* _HPCAP_STAGES_H */
