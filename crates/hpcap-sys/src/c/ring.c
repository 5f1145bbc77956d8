// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The producer of kmod/core/ring.h as functions that Rust can call. The userspace engine and
 * the kernel module run the same code.
 */
#include <ring.h>

unsigned long hpcap_sys_ring_size(void)
{
	return sizeof(struct hpcap_ring);
}

unsigned long hpcap_sys_block_bytes(u64 ring_bytes)
{
	return hpcap_block_bytes(ring_bytes);
}

u32 hpcap_sys_index_entries(u64 ring_bytes)
{
	return hpcap_index_entries(ring_bytes);
}

int hpcap_sys_init(struct hpcap_ring *r, void *base, struct hpcap_queue *queue)
{
	return hpcap_ring_init(r, base, queue);
}

u32 hpcap_sys_push_batch(struct hpcap_ring *r, const struct hpcap_frame *f, u32 n)
{
	return hpcap_ring_push_batch(r, f, n);
}

u32 hpcap_sys_push_marked(struct hpcap_ring *r, const struct hpcap_frame *f, const u8 *marks,
			  u32 n)
{
	return hpcap_ring_push_marked(r, f, marks, n);
}

void hpcap_sys_account(struct hpcap_ring *r, u32 reason, u64 frames, u64 bytes)
{
	hpcap_ring_account(r, reason, frames, bytes);
}

u32 hpcap_sys_service(struct hpcap_ring *r, u64 clock_ns, u64 wall_ns)
{
	return hpcap_ring_service(r, clock_ns, wall_ns);
}

void hpcap_sys_note_pause(struct hpcap_ring *r, u64 ns)
{
	hpcap_ring_note_pause(r, ns);
}

int hpcap_sys_attach(struct hpcap_ring *r, struct hpcap_slot *shared,
		     const struct hpcap_listener *l, u32 start)
{
	return hpcap_ring_attach(r, shared, l, start);
}

static int is_in_use(const struct hpcap_ring *r, u32 slot)
{
	return slot < HPCAP_SLOTS && r->slot_mask >> slot & 1;
}

void hpcap_sys_detach(struct hpcap_ring *r, u32 slot)
{
	if (is_in_use(r, slot))
		hpcap_ring_detach(r, slot);
}

void hpcap_sys_kill(struct hpcap_ring *r, u32 slot)
{
	if (is_in_use(r, slot))
		hpcap_ring_kill(r, slot);
}

void hpcap_sys_end(struct hpcap_ring *r, u32 state)
{
	hpcap_ring_end(r, state);
}

/* Number of active listeners; a listener that waits for its start is not active. */
u32 hpcap_sys_listeners(const struct hpcap_ring *r)
{
	return r->listeners;
}

/* Longest time until the next hpcap_sys_service(), in ns; at most idle_ns. */
u64 hpcap_sys_service_in(const struct hpcap_ring *r, u64 idle_ns)
{
	if (r->file_wanted)
		return 0;
	return hpcap_min(idle_ns, r->wake_late ? HPCAP_RING_WAKE_NS : idle_ns);
}

/* Keeps `caplen` bytes of each later frame; 0 keeps whole frames. */
void hpcap_sys_set_caplen(struct hpcap_ring *r, u32 caplen)
{
	hpcap_ring_set_caplen(r, caplen);
}
