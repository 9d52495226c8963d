// SPDX-License-Identifier: MIT
/*
 * Two streams of messages in shared memory, one each way. The other end may be
 * hostile: what it writes is read once and checked, and where it goes wrong
 * the ring is broken, with nothing else affected.
 */
#include <linux/if_vlan.h>
#include <linux/interrupt.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>
#include <xen/events.h>
#include <xen/interface/event_channel.h>
#include <asm/xen/hypercall.h>
#include <xen/page.h>

#include "nc2.h"

struct nc2_ring *nc2_ring_alloc(struct nc2_queue *queue, domid_t domid)
{
	struct nc2_ring *ring = kzalloc(sizeof(*ring), GFP_KERNEL);
	unsigned int i;

	if (!ring)
		return NULL;
	ring->queue = queue;
	ring->domid = domid;
	ring->max_frags = 1;
	spin_lock_init(&ring->lock);
	ring->slots = kvcalloc(NC2_SLOTS, sizeof(*ring->slots), GFP_KERNEL);
	if (!ring->slots)
		goto no_slots;
	for (i = 0; i < NC2_SLOTS; i++)
		ring->slots[i].next = i + 1;
	if (gnttab_alloc_grant_references(NC2_REFS, &ring->ref_head))
		goto no_refs;
	ring->free_refs = NC2_REFS;
	return ring;

no_refs:
	kvfree(ring->slots);
no_slots:
	kfree(ring);
	return NULL;
}

static void nc2_memory_free(struct nc2_memory *memory)
{
	unsigned int i;

	if (memory->maps) {
		if (memory->vaddr)
			vunmap(memory->vaddr);
		gnttab_unmap_refs(memory->unmaps, NULL, memory->pages, memory->nr);
		gnttab_free_pages(memory->nr, memory->pages);
	} else if (memory->vaddr) {
		/* A page that the other end still has stays allocated until it lets go. */
		for (i = 0; i < memory->nr; i++)
			gnttab_end_foreign_access(memory->refs[i], NULL);
		vfree(memory->vaddr);
	}
	kvfree(memory->maps);
	kvfree(memory->unmaps);
	kvfree(memory->pages);
	kvfree(memory->refs);
}

void nc2_ring_free(struct nc2_ring *ring)
{
	unsigned int i;

	if (ring->irq)
		unbind_from_irqhandler(ring->irq, ring);
	for (i = 0; i < NC2_SLOTS; i++) {
		if (!ring->slots[i].skb)
			continue;
		nc2_revoke(ring, &ring->slots[i]);
		dev_kfree_skb_any(ring->slots[i].skb);
	}
	gnttab_free_grant_references(ring->ref_head);
	nc2_memory_free(&ring->memory);
	kvfree(ring->slots);
	kfree(ring);
}

static void nc2_ring_place(struct nc2_ring *ring, bool owner, u32 out_pages,
			   u32 in_pages)
{
	struct nc2_control *control = ring->memory.vaddr;
	u8 *first = ring->memory.vaddr + PAGE_SIZE;

	ring->out = owner ? &control->owner : &control->mapper;
	ring->in = owner ? &control->mapper : &control->owner;
	ring->out_size = out_pages << PAGE_SHIFT;
	ring->in_size = in_pages << PAGE_SHIFT;
	ring->out_data = owner ? first : first + ring->in_size;
	ring->in_data = owner ? first + ring->out_size : first;
}

/* Makes a ring in memory of ours: the control page, what goes out, what comes in. */
int nc2_ring_own(struct nc2_ring *ring, u32 out_pages, u32 in_pages)
{
	struct nc2_memory *memory = &ring->memory;
	unsigned int nr = 1 + out_pages + in_pages;
	int ref;

	memory->refs = kvcalloc(nr, sizeof(*memory->refs), GFP_KERNEL);
	if (!memory->refs)
		return -ENOMEM;
	memory->vaddr = vzalloc((unsigned long)nr << PAGE_SHIFT);
	if (!memory->vaddr)
		return -ENOMEM;
	for (; memory->nr < nr; memory->nr++) {
		void *page = memory->vaddr + (memory->nr << PAGE_SHIFT);
		bool readonly = memory->nr >= 1 && memory->nr <= out_pages;

		ref = gnttab_grant_foreign_access(ring->domid,
						  xen_page_to_gfn(vmalloc_to_page(page)),
						  readonly);
		if (ref < 0)
			return ref;
		memory->refs[memory->nr] = ref;
	}
	nc2_ring_place(ring, true, out_pages, in_pages);
	ring->out->prod_event = 1;
	ring->in->prod_event = 1;
	return 0;
}

/* Maps a ring in memory of the other end's; what goes out comes in there. */
int nc2_ring_map(struct nc2_ring *ring, u32 pages, u32 control_ref,
		 const u32 *refs)
{
	struct nc2_memory *memory = &ring->memory;
	unsigned int nr = 1 + 2 * pages;
	unsigned int i;
	int err = 0;

	memory->pages = kvcalloc(nr, sizeof(*memory->pages), GFP_KERNEL);
	memory->maps = kvcalloc(nr, sizeof(*memory->maps), GFP_KERNEL);
	memory->unmaps = kvcalloc(nr, sizeof(*memory->unmaps), GFP_KERNEL);
	if (!memory->pages || !memory->maps || !memory->unmaps)
		err = -ENOMEM;
	if (!err)
		err = gnttab_alloc_pages(nr, memory->pages);
	if (err) {
		kvfree(memory->maps);
		memory->maps = NULL;
		return err;
	}
	for (i = 0; i < nr; i++) {
		phys_addr_t addr = (phys_addr_t)pfn_to_kaddr(page_to_pfn(memory->pages[i]));
		u32 flags = GNTMAP_host_map;

		if (i >= 1 && i <= pages)
			flags |= GNTMAP_readonly;
		gnttab_set_map_op(&memory->maps[i], addr, flags,
				  i ? refs[i - 1] : control_ref, ring->domid);
	}
	err = gnttab_map_refs(memory->maps, NULL, memory->pages, nr);
	/* Only what is mapped is unmapped. */
	for (i = 0; i < nr; i++) {
		if (memory->maps[i].status != GNTST_okay) {
			err = -ENOENT;
			continue;
		}
		gnttab_set_unmap_op(&memory->unmaps[memory->nr++],
				    memory->maps[i].host_addr,
				    memory->maps[i].flags, memory->maps[i].handle);
	}
	if (err || memory->nr != nr)
		goto not_mapped;
	memory->vaddr = vmap(memory->pages, nr, VM_MAP, PAGE_KERNEL);
	if (!memory->vaddr)
		return -ENOMEM;
	nc2_ring_place(ring, false, pages, pages);
	return 0;

not_mapped:
	/* gnttab_unmap_refs would clear pages by position: here they do not match. */
	if (memory->nr)
		HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref,
					  memory->unmaps, memory->nr);
	gnttab_free_pages(nr, memory->pages);
	kvfree(memory->maps);
	memory->maps = NULL;
	return err ? err : -ENOENT;
}

static irqreturn_t nc2_interrupt(int irq, void *data)
{
	struct nc2_ring *ring = data;

	set_bit(0, &ring->eoi_due);
	napi_schedule(&ring->queue->napi);
	return IRQ_HANDLED;
}

/* Takes interrupts of the port, where the queue's own processor is. */
int nc2_ring_listen(struct nc2_ring *ring, evtchn_port_t port)
{
	struct nc2_queue *queue = ring->queue;
	int irq = bind_evtchn_to_irqhandler_lateeoi(port, nc2_interrupt, 0,
						    queue->nc2->netdev->name, ring);

	if (irq < 0)
		return irq;
	ring->irq = irq;
	ring->port = port;
	irq_set_affinity(irq, cpumask_of(queue->id % num_online_cpus()));
	return 0;
}

/*
 * Room for a message; NULL when there is none that leaves @spare bytes. With
 * the ring's lock held, as all that produces.
 */
void *nc2_ring_reserve(struct nc2_ring *ring, u16 size, u32 spare)
{
	u32 used = ring->out_prod - virt_load_acquire(&ring->out->cons);
	u32 at = ring->out_prod & (ring->out_size - 1);
	u32 left = ring->out_size - at;
	u32 need = ALIGN(size, 8);
	u32 pad = need > left ? left : 0;
	struct nc2_header *header;

	if (unlikely(used > ring->out_size)) {
		nc2_ring_break(ring, "consumed more than there was");
		return NULL;
	}
	if (ring->out_size - used < need + pad + spare)
		return NULL;
	if (pad) {
		header = (void *)(ring->out_data + at);
		*header = (struct nc2_header){ .type = NC2_PAD, .size = pad };
		ring->out_prod += pad;
		at = 0;
	}
	header = (void *)(ring->out_data + at);
	*header = (struct nc2_header){ .size = size };
	return header;
}

/* The message is whole; the other end sees it with the next kick. */
void nc2_ring_commit(struct nc2_ring *ring, u16 size)
{
	ring->out_prod += ALIGN(size, 8);
}

/* Says a number. With the ring's lock held. */
int nc2_ring_say(struct nc2_ring *ring, u8 type, u32 value)
{
	struct nc2_number *message = nc2_ring_reserve(ring, 8, 0);

	if (!message)
		return -ENOSPC;
	message->header.type = type;
	message->value = value;
	nc2_ring_commit(ring, 8);
	return 0;
}

/* Shows the other end what was committed, and tells it when it wants to know. */
void nc2_ring_kick(struct nc2_ring *ring)
{
	u32 old = ring->out_published;
	u32 new = ring->out_prod;

	if (old == new)
		return;
	ring->out_published = new;
	virt_store_release(&ring->out->prod, new);
	virt_mb();
	if (new - READ_ONCE(ring->out->prod_event) < new - old)
		notify_remote_via_irq(ring->irq);
}

/* What the other end may count on. */
void nc2_ring_greet(struct nc2_ring *ring)
{
	struct nc2_offload *offload;

	spin_lock_bh(&ring->lock);
	nc2_ring_say(ring, NC2_SET_MAX_PACKETS, NC2_SLOTS);
	nc2_ring_say(ring, NC2_SET_MAX_FRAGMENTS, NC2_FRAGS);
	offload = nc2_ring_reserve(ring, sizeof(*offload), 0);
	if (offload) {
		offload->header.type = NC2_SET_OFFLOAD;
		offload->csum = 1;
		offload->tso4 = 1;
		offload->tso6 = 1;
		offload->pad = 0;
		nc2_ring_commit(ring, sizeof(*offload));
	}
	if (ring->is_bypass)
		nc2_ring_say(ring, NC2_BYPASS_READY, ring->handle);
	nc2_ring_kick(ring);
	spin_unlock_bh(&ring->lock);
}

void nc2_ring_break(struct nc2_ring *ring, const char *why)
{
	if (ring->broken)
		return;
	ring->broken = true;
	ring->ready = false;
	netdev_err(ring->queue->nc2->netdev, "queue %u, domain %u: %s\n",
		   ring->queue->id, ring->domid, why);
	schedule_work(ring->is_bypass ? &ring->queue->work :
					&ring->queue->nc2->settle);
}

/* Whether the transmit queues that wait should go on. */
static bool nc2_ring_has_room(struct nc2_ring *ring)
{
	u32 used = ring->out_prod - READ_ONCE(ring->out->cons);

	return used <= ring->out_size / 2 &&
	       ring->in_flight <= ring->max_packets / 2 &&
	       ring->free_refs >= NC2_FRAGS;
}

/*
 * Asks to be told when the other end takes something. There may be room by
 * then: the caller looks again. With the ring's lock held.
 */
void nc2_ring_want_room(struct nc2_ring *ring)
{
	WRITE_ONCE(ring->out->cons_event, READ_ONCE(ring->out->cons) + 1);
	virt_mb();
}

/* Wakes the transmit queues that wait for room, when there is or @anyway. */
void nc2_ring_wake(struct nc2_ring *ring, bool anyway)
{
	struct net_device *dev = ring->queue->nc2->netdev;
	DECLARE_BITMAP(waiting, NC2_MAX_QUEUES);
	unsigned int id;

	if (bitmap_empty(ring->waiting, NC2_MAX_QUEUES))
		return;
	ring->busy = true;
	spin_lock_bh(&ring->lock);
	if (!anyway && !nc2_ring_has_room(ring)) {
		nc2_ring_want_room(ring);
		if (!nc2_ring_has_room(ring)) {
			spin_unlock_bh(&ring->lock);
			return;
		}
	}
	bitmap_copy(waiting, ring->waiting, NC2_MAX_QUEUES);
	bitmap_zero(ring->waiting, NC2_MAX_QUEUES);
	spin_unlock_bh(&ring->lock);
	for_each_set_bit(id, waiting, NC2_MAX_QUEUES)
		netif_tx_wake_queue(netdev_get_tx_queue(dev, id));
}

static void nc2_ring_offload(struct nc2_ring *ring, const u8 *message)
{
	struct nc2_offload offload;

	memcpy(&offload, message, sizeof(offload));
	ring->csum = offload.csum;
	ring->tso4 = offload.csum && offload.tso4;
	ring->tso6 = offload.csum && offload.tso6;
	if (!ring->is_bypass)
		schedule_work(&ring->queue->nc2->settle);
}

static void nc2_ring_max_packets(struct nc2_ring *ring, u32 value)
{
	ring->max_packets = min_t(u32, value, NC2_SLOTS);
	if (ring->is_bypass)
		return;
	ring->ready = true;
	schedule_work(&ring->queue->nc2->settle);
}

/* One message that was checked to lie in the ring; true when it was a packet. */
static bool nc2_ring_message(struct nc2_ring *ring, const u8 *message, u8 type,
			     u16 size, u32 value)
{
	switch (type) {
	case NC2_PAD:
		return false;
	case NC2_PACKET:
		return nc2_receive(ring, message, size);
	case NC2_FINISH_PACKET:
		nc2_finish(ring, value);
		return false;
	case NC2_SET_MAX_PACKETS:
		nc2_ring_max_packets(ring, value);
		return false;
	case NC2_SET_MAX_FRAGMENTS:
		ring->max_frags = clamp_t(u32, value, 1, NC2_FRAGS);
		return false;
	case NC2_SET_OFFLOAD:
		nc2_ring_offload(ring, message);
		return false;
	case NC2_BYPASS_READY:
		if (!ring->is_bypass)
			break;
		ring->ready = ring->max_packets > 0 && !ring->ending;
		return false;
	case NC2_BYPASS_FRONTEND:
	case NC2_BYPASS_BACKEND:
	case NC2_BYPASS_DISABLE:
	case NC2_BYPASS_DETACH:
		if (ring->is_bypass)
			break;
		nc2_errand(ring->queue, message, size);
		return false;
	}
	nc2_ring_break(ring, "a message of no known type");
	return false;
}

/* Takes messages with up to @budget packets; answers how many packets. */
int nc2_ring_poll(struct nc2_ring *ring, int budget)
{
	u32 old = ring->in_cons;
	u32 prod = virt_load_acquire(&ring->in->prod);
	int packets = 0;

	if (unlikely(ring->broken))
		return 0;
	if (unlikely(prod - old > ring->in_size)) {
		nc2_ring_break(ring, "more messages than the ring holds");
		return 0;
	}
	while (ring->in_cons != prod && packets < budget && !ring->broken) {
		u32 at = ring->in_cons & (ring->in_size - 1);
		u32 most = min(prod - ring->in_cons, ring->in_size - at);
		const u8 *message = ring->in_data + at;
		u64 head;
		u16 size;

		if (most < 8) {
			nc2_ring_break(ring, "half a message");
			break;
		}
		head = READ_ONCE(*(const u64 *)message);
		size = head >> 16;
		if (size < 8 || ALIGN(size, 8) > most) {
			nc2_ring_break(ring, "a message of no possible size");
			break;
		}
		packets += nc2_ring_message(ring, message, head, size, head >> 32);
		ring->in_cons += ALIGN(size, 8);
	}
	if (ring->in_cons == old)
		return packets;
	ring->busy = true;
	virt_store_release(&ring->in->cons, ring->in_cons);
	spin_lock(&ring->lock);
	nc2_ring_kick(ring);
	spin_unlock(&ring->lock);
	virt_mb();
	if (ring->in_cons - READ_ONCE(ring->in->cons_event) < ring->in_cons - old)
		notify_remote_via_irq(ring->irq);
	return packets;
}

/* Asks for an interrupt with the next message. True when one is there already. */
bool nc2_ring_sleep(struct nc2_ring *ring)
{
	if (ring->broken)
		return false;
	WRITE_ONCE(ring->in->prod_event, ring->in_cons + 1);
	virt_mb();
	return READ_ONCE(ring->in->prod) != ring->in_cons;
}

/* Lets the next interrupt come; later when the last one was for nothing. */
void nc2_ring_eoi(struct nc2_ring *ring)
{
	if (!ring->irq || !test_and_clear_bit(0, &ring->eoi_due))
		return;
	xen_irq_lateeoi(ring->irq, ring->busy ? 0 : XEN_EOI_FLAG_SPURIOUS);
	ring->busy = false;
}
