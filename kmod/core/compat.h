/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernels that hpcap is built for. Kbuild searches the kernel's headers
 * and defines a macro for each feature that it finds. It does not compare versions, because
 * distributions backport features.
 */
#ifndef _HPCAP_COMPAT_H
#define _HPCAP_COMPAT_H

#include <linux/device.h>
#include <linux/mm.h>

/* Since 6.3, only functions may change the flags of a vma. */
#ifdef HPCAP_VM_FLAGS_SET
#define hpcap_vm_flags_set	vm_flags_set
#define hpcap_vm_flags_clear	vm_flags_clear
#else
static inline void hpcap_vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags |= flags;
}

static inline void hpcap_vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* Since 6.2, the devnode function of a class gets a constant device. */
#ifdef HPCAP_CONST_DEVNODE
#define HPCAP_DEVNODE_DEVICE	const struct device
#else
#define HPCAP_DEVNODE_DEVICE	struct device
#endif

#endif /* _HPCAP_COMPAT_H */
