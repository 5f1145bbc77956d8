// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where poll threads run, with which priority, and how fast their CPUs wake up.
 *
 * A poll thread whose CPU has other work sees no frame until the scheduler gives the CPU back,
 * which takes milliseconds. So each new poll thread gets the CPU that has the fewest poll threads;
 * among these one of the NIC's node; among these one that the administrator has isolated from all
 * other threads (isolcpus); and CPU 0, which serves most interrupts, last.
 */
#include <linux/cpumask.h>
#include <linux/lockdep.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/pm_qos.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/isolation.h>
#include <linux/spinlock.h>
#include <linux/topology.h>

#include "place.h"
#include "rxq.h"

/* Poll threads that are bound to each CPU. */
static DEFINE_PER_CPU(u32, hpcap_threads);
static DEFINE_SPINLOCK(threads_lock);

/* Orders CPUs; the one with the lowest number is the best. Under threads_lock. */
static u32 hpcap_place_rank(int cpu, int node)
{
	bool remote = node != NUMA_NO_NODE && cpu_to_node(cpu) != node;
	bool shared = housekeeping_test_cpu(cpu, HK_TYPE_DOMAIN);
	bool first = cpu == 0;

	return per_cpu(hpcap_threads, cpu) << 3 | remote << 2 | shared << 1 | first;
}

int hpcap_place_choose(int node)
{
	u32 best_rank = U32_MAX;
	int cpu, best = 0;

	rcu_read_lock();
	spin_lock(&threads_lock);
	for_each_online_cpu(cpu) {
		u32 rank = hpcap_place_rank(cpu, node);

		if (rank < best_rank) {
			best_rank = rank;
			best = cpu;
		}
	}
	per_cpu(hpcap_threads, best)++;
	spin_unlock(&threads_lock);
	rcu_read_unlock();
	return best;
}

void hpcap_place_move(int from, int to)
{
	spin_lock(&threads_lock);
	if (from >= 0)
		per_cpu(hpcap_threads, from)--;
	if (to >= 0)
		per_cpu(hpcap_threads, to)++;
	spin_unlock(&threads_lock);
}

void hpcap_place_prioritise(struct task_struct *thread, int priority)
{
	if (priority == HPCAP_PRIORITY_FIFO)
		sched_set_fifo(thread);
	else
		sched_set_normal(thread, priority);
}

/* ----------------------------------------------------------------------- idle CPUs */

static int wake_us = 50;
module_param(wake_us, int, 0644);
MODULE_PARM_DESC(wake_us, "while an interface is up, CPUs use only idle states that they leave in this time, in us; -1: all (50)");

void hpcap_place_wakeful(struct hpcap_rxq *rxq)
{
	int limit_us = READ_ONCE(wake_us);

	lockdep_assert_held(&rxq->lock);
	if (limit_us >= 0 && !cpu_latency_qos_request_active(&rxq->wakeful))
		cpu_latency_qos_add_request(&rxq->wakeful, limit_us);
}

void hpcap_place_restful(struct hpcap_rxq *rxq)
{
	lockdep_assert_held(&rxq->lock);
	if (cpu_latency_qos_request_active(&rxq->wakeful))
		cpu_latency_qos_remove_request(&rxq->wakeful);
}
