/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * What ring.h needs from its environment, in the kernel and in a userspace program: accesses that
 * the compiler may neither tear nor repeat, memory barriers, copies, and error numbers.
 *
 * The names are the kernel's (Documentation/memory-barriers.txt). In userspace they are
 * C11 atomics of the same or greater strength.
 */
#ifndef _HPCAP_PLATFORM_H
#define _HPCAP_PLATFORM_H

#ifdef __KERNEL__

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/barrier.h>

/* Longest frame that hpcap_copy() copies itself: one buffer of an 82599. */
#define HPCAP_COPY_MAX	2048

/*
 * Copies the bytes of a frame into the ring: 32 bytes at a time, then 8, then the last 8, which may
 * overlap the step before. The kernel's memcpy() is `rep movsb` on processors that announce it as
 * fast. On an EPYC with `erms` and `fsrm`, that took 1.3 to 2.5 times as long as this function for
 * 60 to 1514 bytes. The memcpy() of the C library, which may use vector registers, took 0.6 to 1.1
 * times as long.
 */
static inline void hpcap_copy(u8 *to, const u8 *from, u32 n)
{
	u64 word[4];
	u32 i;

	if (n < sizeof(u64) || n > HPCAP_COPY_MAX) {
		memcpy(to, from, n);
		return;
	}
	for (i = 0; i + 32 < n; i += 32) {
		__builtin_memcpy(word, from + i, 32);
		__builtin_memcpy(to + i, word, 32);
	}
	for (; i + 8 < n; i += 8)
		__builtin_memcpy(to + i, from + i, 8);
	__builtin_memcpy(to + n - 8, from + n - 8, 8);
}

#else

#include <errno.h>
#include <string.h>
#include <linux/types.h>

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
/* Accesses behind this load are not done before it. */
#define smp_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
/* Accesses in front of this store are done before it. */
#define smp_store_release(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* Stores in front of this barrier are done before stores behind it. */
#define smp_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)
/* Accesses in front of this barrier are done before accesses behind it. */
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define fallthrough		__attribute__((__fallthrough__))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define U64_MAX			(~0ULL)
/* The C library's memcpy() is optimised for the processor that it runs on. */
#define hpcap_copy(to, from, n)	memcpy((to), (from), (n))

/* The kernel's fixed-width names, which userspace headers do not define. */
typedef __u64 u64;
typedef __u32 u32;
typedef __u16 u16;
typedef __u8 u8;

#endif

#endif /* _HPCAP_PLATFORM_H */
