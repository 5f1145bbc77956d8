/* SPDX-License-Identifier: GPL-2.0-only */
/* Functions of adapter.c for other files of the module. */
#ifndef _HPCAP_ADAPTER_H
#define _HPCAP_ADAPTER_H

#include <linux/types.h>

/* Whether an adapter of this number is registered. */
bool hpcap_adapter_exists(u32 number);

#endif /* _HPCAP_ADAPTER_H */
