// SPDX-License-Identifier: MIT
/*
 * Bypasses: rings with other guests, to whom Domain0 introduces us. One of the
 * two lends the memory, the other maps it. All this sleeps, and is done in the
 * order in which Domain0 asked for it.
 */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/slab.h>
#include <xen/events.h>
#include <xen/interface/event_channel.h>
#include <asm/xen/hypercall.h>

#include "nc2.h"

/* Bytes of the longest message that is one. */
#define NC2_MAX_ERRAND	1024
/* How long what is under way may take when a bypass ends. */
#define NC2_DRAIN_MS	200
#define NC2_DRAIN_STEP	10
/* How often we try when there is no room for an answer. */
#define NC2_ANSWERS	200

void nc2_errand(struct nc2_queue *queue, const u8 *message, u16 size)
{
	struct nc2_errand *errand;

	if (size > NC2_MAX_ERRAND)
		return;
	errand = kzalloc(struct_size(errand, message, NC2_MAX_ERRAND), GFP_ATOMIC);
	if (!errand)
		return;
	errand->size = size;
	memcpy(errand->message, message, size);
	spin_lock(&queue->errand_lock);
	list_add_tail(&errand->list, &queue->errands);
	spin_unlock(&queue->errand_lock);
	schedule_work(&queue->work);
}

static void nc2_answer(struct nc2_queue *queue, const void *answer, u16 size)
{
	struct nc2_ring *ring = queue->ring;
	void *message = NULL;
	int tries;

	for (tries = 0; !message && tries < NC2_ANSWERS && !ring->broken; tries++) {
		if (tries)
			msleep(NC2_DRAIN_STEP);
		spin_lock_bh(&ring->lock);
		message = nc2_ring_reserve(ring, size, 0);
		if (message) {
			memcpy(message, answer, size);
			nc2_ring_commit(ring, size);
			nc2_ring_kick(ring);
		}
		spin_unlock_bh(&ring->lock);
	}
}

static void nc2_answer_number(struct nc2_queue *queue, u8 type, u32 handle)
{
	struct nc2_number answer = {
		.header = { .type = type, .size = 8 }, .value = handle,
	};

	nc2_answer(queue, &answer, 8);
}

static int nc2_bypass_find(struct nc2_queue *queue, u32 handle)
{
	int i;

	for (i = 0; i < NC2_BYPASSES; i++) {
		struct nc2_ring *ring = rcu_dereference_protected(queue->bypasses[i], true);

		if (ring && ring->handle == handle)
			return i;
	}
	return -1;
}

static int nc2_bypass_free_index(struct nc2_queue *queue)
{
	int i;

	for (i = 0; i < NC2_BYPASSES; i++)
		if (!rcu_access_pointer(queue->bypasses[i]))
			return i;
	return -1;
}

/* No packet is sent by it from here on; what is under way may end. */
static void nc2_bypass_disable(struct nc2_ring *ring)
{
	int waited;

	WRITE_ONCE(ring->ending, true);
	WRITE_ONCE(ring->ready, false);
	synchronize_net();
	nc2_ring_wake(ring, true);
	for (waited = 0; READ_ONCE(ring->in_flight) && !ring->broken &&
	     waited < NC2_DRAIN_MS; waited += NC2_DRAIN_STEP)
		msleep(NC2_DRAIN_STEP);
}

/* Takes a bypass away, whatever the other guest thinks. */
void nc2_bypass_end(struct nc2_queue *queue, int index)
{
	struct nc2_ring *ring = rcu_dereference_protected(queue->bypasses[index], true);

	if (!ring)
		return;
	WRITE_ONCE(ring->ready, false);
	RCU_INIT_POINTER(queue->bypasses[index], NULL);
	if (ring->irq)
		disable_irq(ring->irq);
	synchronize_net();
	nc2_ring_wake(ring, true);
	nc2_ring_free(ring);
}

static struct nc2_ring *nc2_bypass_alloc(struct nc2_queue *queue,
					 const struct nc2_introduction *with)
{
	struct nc2_ring *ring;

	if (nc2_bypass_free_index(queue) < 0 || !with->pages ||
	    with->pages > NC2_MAX_BYPASS_PAGES || !is_power_of_2(with->pages))
		return NULL;
	ring = nc2_ring_alloc(queue, with->peer_domid);
	if (!ring)
		return NULL;
	ring->is_bypass = true;
	ring->handle = with->handle;
	ether_addr_copy(ring->mac, with->mac);
	return ring;
}

static void nc2_bypass_begin(struct nc2_queue *queue, struct nc2_ring *ring)
{
	nc2_ring_greet(ring);
	rcu_assign_pointer(queue->bypasses[nc2_bypass_free_index(queue)], ring);
	/* The other guest may have said something before we listened. */
	local_bh_disable();
	napi_schedule(&queue->napi);
	local_bh_enable();
}

/* Domain0 wants a ring of ours that another guest is to map. */
static int nc2_bypass_lend(struct nc2_queue *queue,
			   const struct nc2_introduction *with)
{
	struct evtchn_alloc_unbound alloc = {
		.dom = DOMID_SELF, .remote_dom = with->peer_domid,
	};
	unsigned int nr = 1 + 2 * with->pages;
	struct nc2_frontend_ready *answer = NULL;
	struct nc2_ring *ring = nc2_bypass_alloc(queue, with);
	size_t size = struct_size(answer, refs, nr - 1);
	int err = -ENOMEM;

	if (!ring)
		return -ENOSPC;
	answer = kzalloc(size, GFP_KERNEL);
	if (answer)
		err = nc2_ring_own(ring, with->pages, with->pages);
	if (!err)
		err = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
	if (!err)
		err = nc2_ring_listen(ring, alloc.port);
	if (err) {
		nc2_ring_free(ring);
		kfree(answer);
		return err;
	}
	answer->header.type = NC2_BYPASS_FRONTEND_READY;
	answer->header.size = size;
	answer->port = alloc.port;
	answer->handle = with->handle;
	answer->control_ref = ring->memory.refs[0];
	memcpy(answer->refs, ring->memory.refs + 1, (nr - 1) * sizeof(u32));
	nc2_bypass_begin(queue, ring);
	nc2_answer(queue, answer, size);
	kfree(answer);
	return 0;
}

/* Domain0 tells us of a ring that another guest has made for us. */
static int nc2_bypass_borrow(struct nc2_queue *queue,
			     const struct nc2_introduction *with)
{
	struct evtchn_bind_interdomain bind = {
		.remote_dom = with->ring_domid, .remote_port = with->port,
	};
	struct nc2_ring *ring;
	int err;

	if (with->header.size < struct_size(with, refs, 2 * with->pages))
		return -EINVAL;
	ring = nc2_bypass_alloc(queue, with);
	if (!ring)
		return -ENOSPC;
	err = nc2_ring_map(ring, with->pages, with->control_ref, with->refs);
	if (!err)
		err = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &bind);
	if (!err)
		err = nc2_ring_listen(ring, bind.local_port);
	if (err) {
		nc2_ring_free(ring);
		return err;
	}
	nc2_bypass_begin(queue, ring);
	nc2_answer_number(queue, NC2_BYPASS_READY, with->handle);
	return 0;
}

static void nc2_refuse(struct nc2_queue *queue, u32 handle, int err)
{
	struct nc2_frontend_ready answer = {
		.header = { .type = NC2_BYPASS_FRONTEND_READY, .size = sizeof(answer) },
		.port = err, .handle = handle,
	};

	nc2_answer(queue, &answer, sizeof(answer));
}

static void nc2_do_errand(struct nc2_queue *queue, const struct nc2_errand *errand)
{
	const struct nc2_introduction *with = (const void *)errand->message;
	const struct nc2_number *number = (const void *)errand->message;
	int index;
	int err;

	switch (with->header.type) {
	case NC2_BYPASS_FRONTEND:
		err = nc2_bypass_lend(queue, with);
		if (err)
			nc2_refuse(queue, with->handle, err);
		return;
	case NC2_BYPASS_BACKEND:
		err = nc2_bypass_borrow(queue, with);
		if (err)
			nc2_answer_number(queue, NC2_BYPASS_DISABLED, with->handle);
		return;
	case NC2_BYPASS_DISABLE:
		index = nc2_bypass_find(queue, number->value);
		if (index >= 0)
			nc2_bypass_disable(rcu_dereference_protected(queue->bypasses[index], true));
		nc2_answer_number(queue, NC2_BYPASS_DISABLED, number->value);
		return;
	case NC2_BYPASS_DETACH:
		index = nc2_bypass_find(queue, number->value);
		if (index >= 0)
			nc2_bypass_end(queue, index);
		nc2_answer_number(queue, NC2_BYPASS_DETACHED, number->value);
		return;
	}
}

/* Ends the bypasses whose other end broke them, and tells Domain0. */
static void nc2_bypass_reap(struct nc2_queue *queue)
{
	int i;

	for (i = 0; i < NC2_BYPASSES; i++) {
		struct nc2_ring *ring = rcu_dereference_protected(queue->bypasses[i], true);
		u32 handle;

		if (!ring || !ring->broken)
			continue;
		handle = ring->handle;
		nc2_bypass_end(queue, i);
		nc2_answer_number(queue, NC2_BYPASS_DISABLED, handle);
	}
}

void nc2_bypass_work(struct work_struct *work)
{
	struct nc2_queue *queue = container_of(work, struct nc2_queue, work);
	struct nc2_errand *errand;

	nc2_bypass_reap(queue);
	for (;;) {
		spin_lock_bh(&queue->errand_lock);
		errand = list_first_entry_or_null(&queue->errands,
						  struct nc2_errand, list);
		if (errand)
			list_del(&errand->list);
		spin_unlock_bh(&queue->errand_lock);
		if (!errand)
			return;
		nc2_do_errand(queue, errand);
		kfree(errand);
	}
}
