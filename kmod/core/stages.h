/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The filters of a queue: its pipeline (pipeline.h), and the settings of the pipeline. They change
 * while frames flow, so new filters are allocated before the poll thread takes them instead of the
 * old ones (change.c).
 */
#ifndef _HPCAP_STAGES_H
#define _HPCAP_STAGES_H

#include <linux/types.h>

#include "dedup_types.h"
#include "frame.h"
#include "pipeline_types.h"

struct attribute_group;
struct hpcap_rxq;

/* Settings of the duplicate filter, as sysfs shows them. */
struct hpcap_dedup_wish {
	struct hpcap_dedup_settings settings;
	bool enabled;
};

struct hpcap_stages {
	/* The part that sysfs shows (`view` of the queue). */
	const struct hpcap_insn *program;	/* that of the pipeline */
	u32 instructions;
	char expression[256];		/* source of the program, if the user gave it */
	struct hpcap_dedup_wish wish;

	/* The part of the poll thread. */
	struct hpcap_pipeline pipeline;
	struct hpcap_dedup dedup;
	void *window;			/* the memory of `dedup`; NULL: no frame is compared */
	u8 marks[HPCAP_BATCH];		/* pipeline.marks */
};

void hpcap_stages_init(struct hpcap_stages *stages);
void hpcap_stages_free(struct hpcap_stages *stages);

/*
 * Sets the filter. `text` is the output of `tcpdump -ddd`, with or without the expression behind a
 * `#` on the line before (tcpdump -ddd EXPRESSION | sed '1i# EXPRESSION'). A text of blanks removes
 * the filter. A new file starts, whose header contains the expression.
 * Returns 0; -EINVAL or -EOPNOTSUPP as hpcap_filter_parse(); -ENOMEM. An error changes nothing.
 */
int hpcap_stages_set_filter(struct hpcap_rxq *rxq, const char *text, size_t len);
/*
 * Sets the duplicate filter. Returns 0; -EINVAL when a setting is out of range; -ENOMEM. An error
 * changes nothing.
 */
int hpcap_stages_set_dedup(struct hpcap_rxq *rxq, const struct hpcap_dedup_wish *wish);

/* Writes the description of the filter that file headers contain. */
void hpcap_stages_describe(const struct hpcap_stages *stages, char *text, size_t bytes);

/* sysfs_stages.c */
extern const struct attribute_group hpcap_filter_group;
extern const struct attribute_group hpcap_dedup_group;

#endif /* _HPCAP_STAGES_H */
