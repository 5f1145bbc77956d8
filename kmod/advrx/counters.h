/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters of lost frames: poll threads read them, and the driver gets what they have read. */
#ifndef _HPCAP_ADVRX_COUNTERS_H
#define _HPCAP_ADVRX_COUNTERS_H

#include <linux/types.h>

struct hpcap_nic_counters;
struct hpcap_port;
struct hpcap_port_counters;

/* The registers of a NIC that count lost and damaged frames, and that a read clears. */
struct hpcap_port_registers {
	u32 missed;		/* frames that found no room in the packet buffer */
	u32 dropped;		/* frames that found no descriptor in queue 0 */
	u32 dropped_step;	/* from the register `dropped` of a queue to that of the next */
	const u32 *errors;	/* frames that were received damaged */
	u32 error_count;
	/* Reads a register. Returns false when the device does not answer. */
	bool (*read)(void *nic, u32 reg, u32 *value);
};

/*
 * Creates the counters of a port, whose driver has registers. They are freed with the device
 * (devres). Returns NULL without memory.
 */
struct hpcap_port_counters *hpcap_port_counters_create(struct hpcap_port *port);
/*
 * Reads the number of frames that a queue has lost since the counters were created. Called for one
 * queue by one thread at a time.
 */
void hpcap_port_lost(struct hpcap_port *port, u32 queue, struct hpcap_nic_counters *counters);
/*
 * Returns whether poll threads read this register. If they do, `news` is the part of the sum that
 * the driver has not got yet. `port` is NULL in standard mode. Does not sleep.
 */
bool hpcap_port_counter(struct hpcap_port *port, u32 reg, u32 *news);

#endif /* _HPCAP_ADVRX_COUNTERS_H */
