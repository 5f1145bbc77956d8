/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * What ring.h needs of its surroundings, in the kernel and in a userspace program:
 * accesses that the compiler may not tear or repeat, ordering, copying, errors.
 *
 * The names are the kernel's (Documentation/memory-barriers.txt). In userspace they are
 * C11 atomics of the same or greater strength.
 */
#ifndef _HPCAP_PORT_H
#define _HPCAP_PORT_H

#ifdef __KERNEL__

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/barrier.h>

#else

#include <errno.h>
#include <string.h>
#include <linux/types.h>

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
/* what follows is not done before this load */
#define smp_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
/* what comes before is done before this store */
#define smp_store_release(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* stores before it are done before stores behind it */
#define smp_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)
/* everything before it is done before everything behind it */
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define fallthrough		__attribute__((__fallthrough__))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define U64_MAX			(~0ULL)

/* The kernel's fixed-width names, where a userspace header has not made them. */
typedef __u64 u64;
typedef __u32 u32;
typedef __u16 u16;
typedef __u8 u8;

#endif

#endif /* _HPCAP_PORT_H */
