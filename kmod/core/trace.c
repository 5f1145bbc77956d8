// SPDX-License-Identifier: GPL-2.0-only
/* The tracepoints' own code, once for the module. */
#ifndef __CHECKER__	/* sparse does not get through these macros */
#define CREATE_TRACE_POINTS
#include "trace.h"
#endif
