/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _HPCAP_TEST_FAILURE_H
#define _HPCAP_TEST_FAILURE_H

/* Makes the function of the kernel that fails work again. */
void hpcap_test_failure_exit(void);

#endif /* _HPCAP_TEST_FAILURE_H */
