// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes a function of the kernel fail on demand, to test how a driver handles that. Debian's
 * kernels are built without fault injection.
 *
 *	echo netif_set_real_num_rx_queues > /sys/module/hpcap_testnic/parameters/fail	# -ENOMEM
 *	echo > /sys/module/hpcap_testnic/parameters/fail	# works again
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/ptrace.h>
#include <linux/string.h>

#include "failure.h"

static DEFINE_MUTEX(failure_lock);

#if defined(CONFIG_X86_64) && defined(CONFIG_KPROBES)

static char failing[64];	/* name of the function that fails; "": none */
static struct kprobe probe;

/* Runs in place of the function, and returns to the function's caller. */
static noinline notrace void nothing(void)
{
	barrier();
}

static int go_elsewhere(struct kprobe *p, struct pt_regs *regs)
{
	regs_set_return_value(regs, (unsigned long)-ENOMEM);
	regs->ip = (unsigned long)nothing;
	return 1;
}

/*
 * Keeps the probe from being optimised, as every post handler does. An optimised probe could not
 * change where execution goes on.
 */
static void after(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

/* Makes `function` fail, and the former one work again; "" fails none. Under failure_lock. */
static int fail(const char *function)
{
	int err;

	if (failing[0])
		unregister_kprobe(&probe);
	failing[0] = '\0';
	if (!function[0])
		return 0;
	if (strscpy(failing, function, sizeof(failing)) < 0) {
		failing[0] = '\0';
		return -EINVAL;
	}
	probe = (struct kprobe) {
		.symbol_name = failing,
		.pre_handler = go_elsewhere,
		.post_handler = after,
	};
	err = register_kprobe(&probe);
	if (err)
		failing[0] = '\0';
	return err;
}

#else

static int fail(const char *function)
{
	return function[0] ? -EOPNOTSUPP : 0;
}

#endif

static int fail_set(const char *text, const struct kernel_param *kp)
{
	char function[64];
	int err = -EINVAL;

	mutex_lock(&failure_lock);
	if (strscpy(function, text, sizeof(function)) >= 0)
		err = fail(strim(function));
	mutex_unlock(&failure_lock);
	return err;
}

static const struct kernel_param_ops fail_ops = {
	.set = fail_set,
};

module_param_cb(fail, &fail_ops, NULL, 0200);
MODULE_PARM_DESC(fail, "write the name of a kernel function to make it fail; write nothing to end that");

void hpcap_test_failure_exit(void)
{
	mutex_lock(&failure_lock);
	fail("");
	mutex_unlock(&failure_lock);
}
