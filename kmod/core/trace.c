// SPDX-License-Identifier: GPL-2.0-only
/* Creates the code of the tracepoints, once for the module. */
#ifndef __CHECKER__	/* sparse cannot parse these macros */
#define CREATE_TRACE_POINTS
#include "trace.h"
#endif
