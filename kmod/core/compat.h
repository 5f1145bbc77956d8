/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the kernels that hpcap is built for differ. Kbuild looks into their headers and defines
 * what it finds: a feature may be older in a distribution's kernel than its version says.
 */
#ifndef _HPCAP_COMPAT_H
#define _HPCAP_COMPAT_H

#include <linux/device.h>
#include <linux/mm.h>

/* The flags of a vma are changed by functions since 6.3. */
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

/* A class names the nodes of constant devices since 6.2. */
#ifdef HPCAP_CONST_DEVNODE
#define HPCAP_DEVNODE_DEVICE	const struct device
#else
#define HPCAP_DEVNODE_DEVICE	struct device
#endif

#endif /* _HPCAP_COMPAT_H */
