// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Preloaded into a program, makes the disk fail below its `.part` files: writes that reach byte
 * FAIL_AT of such a file fail with the error FAIL_ERRNO, FAIL_TIMES times in all. With FAIL_READS,
 * all reads of these files fail from the first such error on. With KILL_AT, the program is killed
 * when it writes or cuts such files for the KILL_AT-th time, before it does so.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_int failed;

static long long number(const char *name)
{
	const char *text = getenv(name);

	return text ? atoll(text) : 0;
}

static int is_part(int fd)
{
	char link[64], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	return n > 5 && !memcmp(path + n - 5, ".part", 5);
}

static void die_if_due(int fd)
{
	static atomic_int calls;
	long long kill_at = number("KILL_AT");

	if (kill_at && is_part(fd) && atomic_fetch_add(&calls, 1) + 1 == kill_at)
		kill(getpid(), SIGKILL);
}

int ftruncate64(int fd, off64_t len)
{
	static int (*next)(int, off64_t);

	if (!next)
		next = dlsym(RTLD_NEXT, "ftruncate64");
	die_if_due(fd);
	return next(fd, len);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
	static ssize_t (*next)(int, const void *, size_t, off64_t);
	long long fail_at = number("FAIL_AT");

	if (!next)
		next = dlsym(RTLD_NEXT, "pwrite64");
	die_if_due(fd);
	if (at <= fail_at && fail_at < at + (long long)n && failed < number("FAIL_TIMES") &&
	    is_part(fd)) {
		if (at == fail_at) {
			failed++;
			errno = number("FAIL_ERRNO");
			return -1;
		}
		n = fail_at - at;
	}
	return next(fd, bytes, n, at);
}

ssize_t pread64(int fd, void *bytes, size_t n, off64_t at)
{
	static ssize_t (*next)(int, void *, size_t, off64_t);

	if (!next)
		next = dlsym(RTLD_NEXT, "pread64");
	if (failed && number("FAIL_READS") && is_part(fd)) {
		errno = EIO;
		return -1;
	}
	return next(fd, bytes, n, at);
}
