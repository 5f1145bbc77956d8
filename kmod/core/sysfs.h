/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files that implement a queue's attributes in sysfs. */
#ifndef _HPCAP_SYSFS_H
#define _HPCAP_SYSFS_H

#include "rxq.h"

static inline struct hpcap_rxq *hpcap_to_rxq(struct device *dev)
{
	return container_of(dev, struct hpcap_rxq, dev);
}

/* The attributes of a queue's device. */
extern const struct attribute_group *hpcap_rxq_groups[];

#endif /* _HPCAP_SYSFS_H */
