// SPDX-License-Identifier: GPL-2.0-only
/*
 * The poll thread of a queue takes frames from the NIC and puts them into the ring, for ever.
 *
 * The thread takes no lock that can sleep, so no process delays it that the scheduler delays.
 * Between two batches it makes the change that waits, if there is one (change.c), and yields to the
 * scheduler, and to RCU and tasks' RCU, which would otherwise wait for a thread that never sleeps.
 * So no watchdog needs an exception for it.
 *
 * The setting `poll` says what the thread does while the NIC has no frame:
 *
 *	adaptive  It polls without a pause for HPCAP_SPIN_NS, then sleeps for half of the time
 *		  that has passed without a frame, at most HPCAP_NAP_MAX_NS. The first frame
 *		  after a pause is stamped late by up to that time. 4096 descriptors hold the
 *		  frames of 275 us at the line rate of 60-byte frames (14.88 million/s), so no
 *		  frame is lost to a nap. An idle link costs some 10,000 wake-ups a second.
 *	busy	  It never sleeps while the interface is up. Every frame is seen within the time
 *		  of one harvest, at the price of a whole CPU, which should run nothing else.
 *
 * While the interface is down, the thread services its listeners every HPCAP_DOWN_NS.
 *
 * When the CPU that the thread is bound to goes offline, the kernel lets the thread run on any CPU.
 * So the thread looks every HPCAP_BIND_NS whether it must bind itself again.
 *
 * Debug messages: `file poll.c +p` in /proc/dynamic_debug/control.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/topology.h>

#include "change.h"
#include "harvest.h"
#include "place.h"
#include "poll.h"
#include "ring_service.h"
#include "rxq.h"
#include "service.h"

#define HPCAP_SPIN_NS		(30ull * 1000)
#define HPCAP_NAP_MIN_NS	(10ull * 1000)
#define HPCAP_NAP_MAX_NS	(100ull * 1000)
#define HPCAP_FULL_NS		(50ull * 1000)
#define HPCAP_DOWN_NS		(10ull * 1000 * 1000)
#define HPCAP_COUNT_NS		(100ull * 1000 * 1000)
#define HPCAP_BIND_NS		(100ull * 1000 * 1000)

/* The result of one harvest and service. */
struct hpcap_look {
	u64 clock_ns;
	u32 work_done;		/* frames and errors harvested */
	bool up;
	bool busy;
	bool full;		/* the ring has no room */
	bool more;		/* service again at once */
	bool soon;		/* service again after HPCAP_RING_WAKE_NS */
};

static struct hpcap_look hpcap_poll_look(struct hpcap_rxq *rxq)
{
	struct hpcap_look look = {};
	ktime_t clock = ktime_get();

	look.clock_ns = ktime_to_ns(clock);
	look.up = rxq->rx;
	/* The pause includes a nap: frames wait in the NIC then, too. */
	if (look.up && rxq->looked_ns)
		hpcap_ring_note_pause(&rxq->ring, look.clock_ns - rxq->looked_ns);
	rxq->looked_ns = look.up ? look.clock_ns : 0;
	look.work_done = hpcap_rxq_harvest(rxq, clock);
	if (look.up && look.clock_ns - rxq->counted_ns >= HPCAP_COUNT_NS)
		hpcap_rxq_count(rxq);
	hpcap_rxq_service_at(rxq, clock);
	look.busy = rxq->poll == HPCAP_POLL_BUSY;
	look.full = rxq->ring.full;
	look.more = rxq->ring.file_wanted && !rxq->ring.full;
	look.soon = rxq->ring.wake_late;
	return look;
}

/* Returns how long to sleep when no frame has come for idle_ns. */
static u64 hpcap_poll_nap_ns(const struct hpcap_look *look, u64 idle_ns)
{
	u64 nap_ns;

	if (look->more || look->work_done)
		return 0;
	if (look->up && (look->busy || (!look->full && idle_ns < HPCAP_SPIN_NS)))
		return 0;
	if (!look->up)
		nap_ns = HPCAP_DOWN_NS;
	else if (look->full)
		nap_ns = HPCAP_FULL_NS;
	else
		nap_ns = clamp(idle_ns / 2, HPCAP_NAP_MIN_NS, HPCAP_NAP_MAX_NS);
	return look->soon ? min_t(u64, nap_ns, HPCAP_RING_WAKE_NS) : nap_ns;
}

/* Sleeps, unless hpcap_rxq_kick() was called since the last harvest began, or a change waits. */
static void hpcap_poll_nap(struct hpcap_rxq *rxq, u64 nap_ns)
{
	ktime_t timeout = ns_to_ktime(nap_ns);
	DEFINE_WAIT(wait);

	prepare_to_wait(&rxq->idle, &wait, TASK_IDLE);
	if (!READ_ONCE(rxq->kicked) && !READ_ONCE(rxq->change) && !kthread_should_stop())
		schedule_hrtimeout_range(&timeout, nap_ns / 8, HRTIMER_MODE_REL);
	finish_wait(&rxq->idle, &wait);
}

/* Binds the poll thread to its CPU again after the CPU was offline. Called by the thread. */
static void hpcap_poll_bind_again(struct hpcap_rxq *rxq, u64 clock_ns)
{
	/* hpcap_poll_bind() may write it meanwhile; then the next look has the new value. */
	int cpu = READ_ONCE(rxq->settings.cpu);

	rxq->bound_ns = clock_ns;
	if (cpu < 0 || !cpu_online(cpu) || cpumask_equal(current->cpus_ptr, cpumask_of(cpu)))
		return;
	/* The CPU may go offline once more; then the thread tries again. */
	if (!set_cpus_allowed_ptr(current, cpumask_of(cpu)))
		pr_debug("hpcap_%u_%u: on CPU %d again\n", rxq->number, rxq->index, cpu);
}

static int hpcap_poll_main(void *arg)
{
	struct hpcap_rxq *rxq = arg;
	struct hpcap_look look = {};
	u64 frames_ns = 0;

	while (!kthread_should_stop()) {
		u64 nap_ns;

		WRITE_ONCE(rxq->kicked, false);
		/* A kick from here on keeps the thread from sleeping after the next harvest. */
		smp_mb();
		hpcap_rxq_make_change(rxq, look.clock_ns);
		look = hpcap_poll_look(rxq);
		if (look.work_done)
			frames_ns = look.clock_ns;
		if (look.clock_ns - rxq->bound_ns >= HPCAP_BIND_NS)
			hpcap_poll_bind_again(rxq, look.clock_ns);
		nap_ns = hpcap_poll_nap_ns(&look, look.clock_ns - frames_ns);
		if (nap_ns)
			hpcap_poll_nap(rxq, nap_ns);
		else if (!look.work_done)
			cpu_relax();
		cond_resched_tasks_rcu_qs();
	}
	return 0;
}

/* Lets the poll thread run on a CPU, or with -1 on the CPUs of the NIC's node. */
static int hpcap_poll_set_cpu(struct hpcap_rxq *rxq, int cpu)
{
	const struct cpumask *mask = cpu_online_mask;
	int err;

	if (cpu >= 0)
		mask = cpumask_of(cpu);
	else if (rxq->node != NUMA_NO_NODE && cpumask_intersects(cpumask_of_node(rxq->node), mask))
		mask = cpumask_of_node(rxq->node);
	err = set_cpus_allowed_ptr(rxq->thread, mask);
	pr_debug("hpcap_%u_%u: on CPU %d: %d\n", rxq->number, rxq->index, cpu, err);
	return err;
}

/* Sets the setting `cpu` alone, and returns the old value. Under `lock`. */
static int hpcap_poll_show_cpu(struct hpcap_rxq *rxq, int cpu)
{
	int old = rxq->settings.cpu;

	spin_lock(&rxq->view);
	WRITE_ONCE(rxq->settings.cpu, cpu);
	spin_unlock(&rxq->view);
	return old;
}

/* Not as a change: a thread that cannot run on its CPU must be able to leave that CPU. */
int hpcap_poll_bind(struct hpcap_rxq *rxq, int cpu)
{
	int err = -ENODEV, old;

	mutex_lock(&rxq->lock);
	/* The setting first: the thread that sees another CPU than its own goes there by itself. */
	old = hpcap_poll_show_cpu(rxq, cpu);
	if (rxq->thread)
		err = hpcap_poll_set_cpu(rxq, cpu);
	if (err)
		hpcap_poll_show_cpu(rxq, old);
	else
		hpcap_place_move(old, cpu);
	mutex_unlock(&rxq->lock);
	return err;
}

/* Not as a change: a thread that gets no time at all must get its new priority, too. */
int hpcap_poll_prioritise(struct hpcap_rxq *rxq, int priority)
{
	int err = -ENODEV;

	mutex_lock(&rxq->lock);
	if (rxq->thread) {
		hpcap_place_prioritise(rxq->thread, priority);
		spin_lock(&rxq->view);
		rxq->settings.priority = priority;
		spin_unlock(&rxq->view);
		err = 0;
	}
	mutex_unlock(&rxq->lock);
	return err;
}

int hpcap_poll_create(struct hpcap_rxq *rxq)
{
	struct task_struct *thread;

	thread = kthread_create_on_node(hpcap_poll_main, rxq, rxq->node, "hpcap_%u_%u",
					rxq->number, rxq->index);
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	/* The task structure stays valid until kthread_stop(), even if the thread ends before. */
	rxq->thread = thread;
	if (rxq->settings.cpu < 0)
		rxq->settings.cpu = hpcap_place_choose(rxq->node);
	else
		hpcap_place_move(-1, rxq->settings.cpu);
	return 0;
}

static void hpcap_poll_begin(struct hpcap_rxq *rxq, void *data)
{
	if (hpcap_poll_set_cpu(rxq, rxq->settings.cpu))
		pr_warn("hpcap_%u_%u: cannot run on its CPU\n", rxq->number, rxq->index);
	hpcap_place_prioritise(current, rxq->settings.priority);
}

void hpcap_poll_start(struct hpcap_rxq *rxq)
{
	wake_up_process(rxq->thread);
	/* By the thread itself: the kernel sets CPUs and priority of a kthread that starts. */
	mutex_lock(&rxq->lock);
	hpcap_rxq_change(rxq, hpcap_poll_begin, NULL);
	mutex_unlock(&rxq->lock);
}

void hpcap_poll_stop(struct hpcap_rxq *rxq)
{
	kthread_stop(rxq->thread);
	rxq->thread = NULL;
	hpcap_place_move(rxq->settings.cpu, -1);
}
