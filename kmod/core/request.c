// SPDX-License-Identifier: GPL-2.0-only
/*
 * The requests of HPCAP_IOC_REQUEST: observe, attach, kill. The answers are those that hpcapd gives
 * on its socket.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include "change.h"
#include "client.h"
#include "ring_listener.h"
#include "trace.h"
#include "wake.h"

/* Longest wait of a listener for its file to start; hpcapd has the same limit. */
#define HPCAP_START_LIMIT_S	5

/*
 * Writes a negative answer: the reason and, on a second line, what to do. All other fields become
 * zero.
 */
static __printf(3, 4)
void hpcap_refuse(struct hpcap_attach *message, int error, const char *format, ...)
{
	va_list args;

	memset(message, 0, sizeof(*message));
	message->magic = HPCAP_ATTACH_MAGIC;
	message->abi_version = HPCAP_ABI_VERSION;
	message->error = error;
	va_start(args, format);
	vsnprintf(message->message, sizeof(message->message), format, args);
	va_end(args);
}

static void hpcap_refuse_gone(struct hpcap_attach *message)
{
	hpcap_refuse(message, ENODEV, "the adapter is gone\n"
		     "load the NIC's module again, or bring the interface back");
}

/* Copies a name, terminated and without control characters, so that it prints as one line. */
static void hpcap_copy_name(char *to, size_t bytes, const char *from)
{
	size_t i;

	for (i = 0; i + 1 < bytes && from[i]; i++)
		to[i] = iscntrl(from[i]) ? '?' : from[i];
	memset(to + i, 0, bytes - i);
}

/* Whether the listener still waits for its file to start. Every change wakes rxq->changed. */
static bool hpcap_is_starting(const struct hpcap_client *client)
{
	return hpcap_client_state(client, client->memory) == HPCAP_SLOT_STARTING &&
	       !hpcap_memory_ended(client->memory);
}

/* What a client asks the poll thread for, and the answer. */
struct hpcap_attachment {
	struct hpcap_client *client;
	const struct hpcap_listener *listener;
	u32 start;	/* enum hpcap_start */
	int slot;	/* return value of hpcap_ring_attach() */
};

static void hpcap_attach_listener(struct hpcap_rxq *rxq, void *data)
{
	struct hpcap_attachment *a = data;

	a->slot = hpcap_ring_attach(&rxq->ring, a->client->slot, a->listener, a->start);
	if (a->slot < 0)
		return;
	rxq->clients[a->slot] = a->client;
	trace_hpcap_attach(rxq, a->slot);
}

/*
 * Makes the client a listener, which may still wait for its start. Returns false, with the reason
 * in the answer, where it cannot. `old` gets the return value of hpcap_client_learn().
 */
static bool hpcap_attach_now(struct hpcap_client *client, struct hpcap_attach *message,
			     struct hpcap_memory **old)
{
	struct hpcap_rxq *rxq = client->rxq;
	struct hpcap_listener listener = {
		.contract = message->contract,
		.max_stall_ns = message->max_stall_ns,
		.attached_ns = ktime_get_real_ns(),
		.pid = client->pid,
		.uid = from_kuid_munged(&init_user_ns, client->uid),
	};
	struct hpcap_attachment attachment = {
		.client = client,
		.listener = &listener,
		.start = message->start,
	};

	lockdep_assert_held(&rxq->lock);
	if (!rxq->adapter) {
		hpcap_refuse_gone(message);
		return false;
	}
	if (client->attached) {
		hpcap_refuse(message, EBUSY, "this file is attached already\n"
			     "open the device once more for another listener");
		return false;
	}
	*old = hpcap_client_learn(client);
	listener.id = rxq->next_id++;
	hpcap_copy_name(listener.name, sizeof(listener.name), message->name);
	memset(client->slot, 0, sizeof(*client->slot));
	client->slot->magic = HPCAP_SLOT_MAGIC;
	client->slot->abi_version = HPCAP_ABI_VERSION;
	hpcap_rxq_change(rxq, hpcap_attach_listener, &attachment);
	if (attachment.slot < 0) {
		hpcap_refuse(message, EUSERS, "all %u slots of the queue are taken\n"
			     "`hpcapctl status` lists them; `hpcapctl kill QUEUE ID` ends one",
			     HPCAP_SLOTS);
		return false;
	}
	client->index = attachment.slot;
	client->id = listener.id;
	/* Readers that see `attached` see the slot and the id, too. */
	smp_store_release(&client->attached, true);
	return true;
}

/* Completes an attachment: the listener has started, or is detached with the reason. */
static long hpcap_attach_end(struct hpcap_client *client, struct hpcap_attach *message, long left)
{
	struct hpcap_rxq *rxq = client->rxq;
	long err = 0;

	mutex_lock(&rxq->lock);
	if (hpcap_client_detach_unless_started(client)) {
		message->slot = client->index;
		message->id = client->id;
	} else {
		if (!rxq->adapter || hpcap_memory_ended(client->memory))
			hpcap_refuse_gone(message);
		else if (left < 0)
			err = left;
		else
			hpcap_refuse(message, ETIMEDOUT,
				     "the ring stayed full for %u s: a lossless listener does not read\n"
				     "`hpcapctl status` shows its pid and lag; `hpcapctl kill QUEUE ID` ends it",
				     HPCAP_START_LIMIT_S);
	}
	mutex_unlock(&rxq->lock);
	return err;
}

static long hpcap_attach(struct hpcap_client *client, struct hpcap_attach *message)
{
	struct hpcap_rxq *rxq = client->rxq;
	struct hpcap_memory *old = NULL;
	bool attached;
	long left;

	if (message->start < HPCAP_START_FILE || message->start > HPCAP_START_OLDEST) {
		hpcap_refuse(message, EINVAL, "there is no start %u",
			     message->start);
		return 0;
	}
	if (message->contract != HPCAP_LOSSLESS && message->contract != HPCAP_LOSSY) {
		hpcap_refuse(message, EINVAL, "there is no contract %u",
			     message->contract);
		return 0;
	}
	if (mutex_lock_interruptible(&rxq->lock))
		return -ERESTARTSYS;
	attached = hpcap_attach_now(client, message, &old);
	mutex_unlock(&rxq->lock);
	if (old)
		hpcap_memory_put(old);
	if (!attached)
		return 0;
	left = wait_event_interruptible_timeout(rxq->changed, !hpcap_is_starting(client),
						HPCAP_START_LIMIT_S * HZ);
	return hpcap_attach_end(client, message, left);
}

static void hpcap_kill_listener(struct hpcap_rxq *rxq, void *data)
{
	struct hpcap_client *victim = data;

	trace_hpcap_kill(rxq, victim->index);
	hpcap_ring_kill(&rxq->ring, victim->index);
	WRITE_ONCE(victim->slot->waiting, 0);
	hpcap_wake_listeners(rxq, 1u << victim->index);
}

/* Users may kill their own listeners, an administrator every listener. Under rxq->lock. */
static void hpcap_kill(struct hpcap_client *client, struct hpcap_attach *message)
{
	struct hpcap_rxq *rxq = client->rxq;
	struct hpcap_client *victim = NULL;
	u64 id = message->id;
	u32 i;

	lockdep_assert_held(&rxq->lock);
	if (!rxq->adapter) {
		hpcap_refuse_gone(message);
		return;
	}
	for (i = 0; i < HPCAP_SLOTS && !victim; i++)
		if (rxq->clients[i] && rxq->clients[i]->id == id)
			victim = rxq->clients[i];
	if (!victim) {
		hpcap_refuse(message, ESRCH, "there is no such listener");
		return;
	}
	if (!uid_eq(current_euid(), victim->uid) && !capable(CAP_SYS_ADMIN)) {
		hpcap_refuse(message, EPERM, "it belongs to user %u",
			     from_kuid_munged(current_user_ns(), victim->uid));
		return;
	}
	hpcap_rxq_change(rxq, hpcap_kill_listener, victim);
	/* The victim may still wait for its start, and others may have waited because of it. */
	wake_up_all(&rxq->changed);
}

/* Replaces the request in `message` by the answer. */
static long hpcap_answer(struct hpcap_client *client, struct hpcap_attach *message)
{
	struct hpcap_rxq *rxq = client->rxq;
	struct hpcap_memory *old = NULL;
	u32 version = message->abi_version;
	u32 op = message->op;

	if (message->magic != HPCAP_ATTACH_MAGIC)
		return -EINVAL;
	if (version != HPCAP_ABI_VERSION) {
		hpcap_refuse(message, EPROTO,
			     "the program speaks ABI version %u, this producer version %u\n"
			     "install module and tools from the same release",
			     version, HPCAP_ABI_VERSION);
		return 0;
	}
	message->error = 0;
	memset(message->message, 0, sizeof(message->message));
	if (op == HPCAP_OP_ATTACH)
		return hpcap_attach(client, message);
	if (op != HPCAP_OP_OBSERVE && op != HPCAP_OP_KILL)
		return -EINVAL;
	if (mutex_lock_interruptible(&rxq->lock))
		return -ERESTARTSYS;
	if (op == HPCAP_OP_KILL)
		hpcap_kill(client, message);
	else if (!rxq->adapter)
		hpcap_refuse_gone(message);
	else
		old = hpcap_client_learn(client);
	mutex_unlock(&rxq->lock);
	if (old)
		hpcap_memory_put(old);
	return 0;
}

long hpcap_client_request(struct hpcap_client *client, struct hpcap_attach __user *user)
{
	struct hpcap_attach message;
	bool attaches;
	long err;

	if (copy_from_user(&message, user, sizeof(message)))
		return -EFAULT;
	attaches = message.op == HPCAP_OP_ATTACH;
	err = hpcap_answer(client, &message);
	if (err)
		return err;
	if (!copy_to_user(user, &message, sizeof(message)))
		return 0;
	/* The process did not get the answer, so it cannot know that it is a listener. */
	if (attaches && !message.error) {
		mutex_lock(&client->rxq->lock);
		hpcap_client_detach(client);
		mutex_unlock(&client->rxq->lock);
	}
	return -EFAULT;
}
