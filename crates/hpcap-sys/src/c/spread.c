// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * kmod/core/spread.h as a function that Rust can call.
 */
#include <spread.h>

void hpcap_sys_spread(struct hpcap_frame *frames, u32 n, u64 bytes, u64 span_ns)
{
	hpcap_spread(frames, n, bytes, span_ns);
}
