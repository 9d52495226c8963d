// SPDX-License-Identifier: MIT
/*
 * Packets: what we send stays in our pages, granted for reading, until the
 * other end has copied it; what we receive we copy, once.
 */
#include <linux/if_vlan.h>
#include <linux/mm.h>
#include <asm/xen/hypercall.h>
#include <xen/page.h>

#include "nc2.h"

/* How a packet travels. */
struct nc2_plan {
	u16 prefix;
	u16 nr;
};

static unsigned int nc2_pages_of(unsigned int off, unsigned int len)
{
	return len ? PFN_UP((off & ~PAGE_MASK) + len) : 0;
}

static struct nc2_plan nc2_plan(const struct sk_buff *skb)
{
	unsigned int head = skb_headlen(skb);
	struct nc2_plan plan = { .prefix = skb->len };
	unsigned int i;

	if (skb->len <= NC2_SMALL)
		return plan;
	plan.prefix = head <= NC2_SMALL ? head : NC2_HEAD;
	plan.nr = nc2_pages_of(offset_in_page(skb->data + plan.prefix),
			       head - plan.prefix);
	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		const skb_frag_t *frag = &skb_shinfo(skb)->frags[i];

		plan.nr += nc2_pages_of(skb_frag_off(frag), skb_frag_size(frag));
	}
	return plan;
}

/* Grants @len bytes of @page from @off on, page by page. */
static void nc2_grant(struct nc2_ring *ring, struct nc2_slot *slot,
		      struct nc2_packet *message, struct page *page,
		      unsigned int off, unsigned int len)
{
	page += off >> PAGE_SHIFT;
	off &= ~PAGE_MASK;
	while (len) {
		unsigned int part = min_t(unsigned int, len, PAGE_SIZE - off);
		grant_ref_t ref = gnttab_claim_grant_reference(&ring->ref_head);

		ring->free_refs--;
		gnttab_grant_foreign_access_ref(ref, ring->domid,
						xen_page_to_gfn(page), 1);
		message->frags[slot->nr] = (struct nc2_frag){
			.size = part, .off = off, .gref = ref,
		};
		slot->refs[slot->nr++] = ref;
		len -= part;
		off = 0;
		page++;
	}
}

/* Ends the grants of a packet that the other end has, or should have, copied. */
void nc2_revoke(struct nc2_ring *ring, struct nc2_slot *slot)
{
	unsigned int i;

	for (i = 0; i < slot->nr; i++) {
		if (gnttab_end_foreign_access_ref(slot->refs[i])) {
			gnttab_release_grant_reference(&ring->ref_head,
						       slot->refs[i]);
			ring->free_refs++;
		} else {
			/* The page stays until the other end lets go of it. */
			gnttab_end_foreign_access(slot->refs[i], NULL);
		}
	}
	slot->nr = 0;
}

static void nc2_describe(struct nc2_packet *message, const struct sk_buff *skb)
{
	const struct skb_shared_info *shared = skb_shinfo(skb);

	message->flags = 0;
	message->seg = NC2_SEG_NONE;
	message->pad = 0;
	message->mss = 0;
	message->csum_start = 0;
	message->csum_offset = 0;
	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		message->flags = NC2_CSUM_BLANK | NC2_DATA_VALIDATED;
		message->csum_start = skb_checksum_start_offset(skb);
		message->csum_offset = skb->csum_offset;
	} else if (skb->ip_summed == CHECKSUM_UNNECESSARY) {
		message->flags = NC2_DATA_VALIDATED;
	}
	if (skb_is_gso(skb)) {
		message->seg = shared->gso_type & SKB_GSO_TCPV4 ?
			       NC2_SEG_TCPV4 : NC2_SEG_TCPV6;
		message->mss = shared->gso_size;
	}
}

static void nc2_grant_packet(struct nc2_ring *ring, struct nc2_packet *message,
			     struct sk_buff *skb, u16 prefix)
{
	u16 id = ring->free_slot;
	struct nc2_slot *slot = &ring->slots[id];
	void *head = skb->data + prefix;
	unsigned int i;

	ring->free_slot = slot->next;
	ring->in_flight++;
	slot->skb = skb;
	slot->nr = 0;
	message->id = id;
	message->type = NC2_RECEIVER_COPY;
	nc2_grant(ring, slot, message, virt_to_page(head), offset_in_page(head),
		  skb_headlen(skb) - prefix);
	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		const skb_frag_t *frag = &skb_shinfo(skb)->frags[i];

		nc2_grant(ring, slot, message, skb_frag_page(frag),
			  skb_frag_off(frag), skb_frag_size(frag));
	}
}

/* Sends a packet; false when there is no room for it. With the lock held. */
static bool nc2_send(struct nc2_ring *ring, struct sk_buff *skb,
		     struct nc2_plan plan)
{
	u16 size = sizeof(struct nc2_packet) +
		   plan.nr * sizeof(struct nc2_frag) + plan.prefix;
	struct nc2_packet *message;

	if (plan.nr && (ring->in_flight >= ring->max_packets ||
			ring->free_refs < plan.nr))
		return false;
	message = nc2_ring_reserve(ring, size, NC2_RESERVE);
	if (!message)
		return false;
	message->header.type = NC2_PACKET;
	message->prefix = plan.prefix;
	nc2_describe(message, skb);
	skb_copy_bits(skb, 0, &message->frags[plan.nr], plan.prefix);
	if (plan.nr) {
		nc2_grant_packet(ring, message, skb, plan.prefix);
	} else {
		message->id = 0;
		message->type = NC2_INLINE;
	}
	nc2_ring_commit(ring, size);
	ring->sent++;
	dev_sw_netstats_tx_add(skb->dev, 1, skb->len);
	return true;
}

static bool nc2_takes(const struct nc2_ring *ring, const struct sk_buff *skb)
{
	if (skb->ip_summed == CHECKSUM_PARTIAL && !ring->csum)
		return false;
	if (!skb_is_gso(skb))
		return true;
	return skb_shinfo(skb)->gso_type & SKB_GSO_TCPV4 ? ring->tso4 : ring->tso6;
}

static struct nc2_ring *nc2_bypass_to(struct nc2_queue *queue,
				      const struct sk_buff *skb)
{
	const struct ethhdr *eth = (const void *)skb->data;
	int i;

	/* By a bypass nobody takes packets but of the address that Domain0 knows. */
	if (!ether_addr_equal(eth->h_source, queue->nc2->mac))
		return NULL;
	for (i = 0; i < NC2_BYPASSES; i++) {
		struct nc2_ring *ring = rcu_dereference_bh(queue->bypasses[i]);

		if (ring && READ_ONCE(ring->ready) &&
		    ether_addr_equal(ring->mac, eth->h_dest))
			return nc2_takes(ring, skb) ? ring : NULL;
	}
	return NULL;
}

/*
 * The ring to send by: with the other guest itself, where there is one, with
 * Domain0 otherwise. A queue that the other guest does not have uses the first.
 */
static struct nc2_ring *nc2_route(struct nc2_queue *queue, struct sk_buff *skb)
{
	struct nc2_ring *ring = nc2_bypass_to(queue, skb);

	if (!ring && queue->id)
		ring = nc2_bypass_to(&queue->nc2->queues[0], skb);
	return ring ? ring : queue->ring;
}

netdev_tx_t nc2_start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct nc2_device *nc2 = netdev_priv(dev);
	u16 id = skb_get_queue_mapping(skb);
	struct netdev_queue *txq = netdev_get_tx_queue(dev, id);
	struct nc2_plan plan = nc2_plan(skb);
	netdev_tx_t result = NETDEV_TX_OK;
	struct nc2_queue *queue;
	struct nc2_ring *ring;

	/* A bypass that ends wakes transmit queues, also while the device lets go of all. */
	if (id >= READ_ONCE(nc2->nr_queues))
		goto drop;
	queue = &nc2->queues[id];
	ring = nc2_route(queue, skb);
	if (plan.nr > ring->max_frags) {
		if (skb_linearize(skb))
			goto drop;
		plan = nc2_plan(skb);
	}
	if (!ring->ready || plan.nr > ring->max_frags)
		goto drop;
	spin_lock(&ring->lock);
	if (!nc2_send(ring, skb, plan)) {
		netif_tx_stop_queue(txq);
		set_bit(queue->id, ring->waiting);
		nc2_ring_want_room(ring);
		if (nc2_send(ring, skb, plan)) {
			clear_bit(queue->id, ring->waiting);
			netif_tx_start_queue(txq);
		} else {
			result = NETDEV_TX_BUSY;
		}
	}
	if (result == NETDEV_TX_BUSY || !netdev_xmit_more())
		nc2_ring_kick(ring);
	spin_unlock(&ring->lock);
	if (result == NETDEV_TX_OK && !plan.nr)
		dev_consume_skb_any(skb);
	return result;

drop:
	dev->stats.tx_dropped++;
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

/* The other end has copied a packet. */
void nc2_finish(struct nc2_ring *ring, u32 id)
{
	struct sk_buff *skb = NULL;

	spin_lock(&ring->lock);
	if (id < NC2_SLOTS && ring->slots[id].skb) {
		struct nc2_slot *slot = &ring->slots[id];

		nc2_revoke(ring, slot);
		skb = slot->skb;
		slot->skb = NULL;
		slot->next = ring->free_slot;
		ring->free_slot = id;
		ring->in_flight--;
	}
	spin_unlock(&ring->lock);
	if (skb)
		napi_consume_skb(skb, 1);
	else
		nc2_ring_break(ring, "finished a packet that it was not given");
}

/* Where the next bytes of a packet go that is being copied. */
struct nc2_cursor {
	struct sk_buff *skb;
	unsigned int done;
	int frag;
	unsigned int off;
};

/* The page for the next bytes, and how many of them it takes. */
static unsigned int nc2_cursor_room(struct nc2_cursor *cursor, xen_pfn_t *gfn,
				    unsigned int *off)
{
	struct sk_buff *skb = cursor->skb;
	const skb_frag_t *frag;

	if (cursor->done < skb_headlen(skb)) {
		void *at = skb->data + cursor->done;

		*gfn = virt_to_gfn(at);
		*off = offset_in_page(at);
		return min_t(unsigned int, skb_headlen(skb) - cursor->done,
			     PAGE_SIZE - *off);
	}
	frag = &skb_shinfo(skb)->frags[cursor->frag];
	*off = skb_frag_off(frag) + cursor->off;
	*gfn = xen_page_to_gfn(skb_frag_page(frag) + (*off >> PAGE_SHIFT));
	*off &= ~PAGE_MASK;
	return min_t(unsigned int, skb_frag_size(frag) - cursor->off,
		     PAGE_SIZE - *off);
}

static void nc2_cursor_move(struct nc2_cursor *cursor, unsigned int count)
{
	bool in_frags = cursor->done >= skb_headlen(cursor->skb);

	cursor->done += count;
	if (!in_frags)
		return;
	cursor->off += count;
	if (cursor->off == skb_frag_size(&skb_shinfo(cursor->skb)->frags[cursor->frag])) {
		cursor->frag++;
		cursor->off = 0;
	}
}

static bool nc2_copy_batch(struct gnttab_copy *copies, unsigned int nr)
{
	unsigned int i;

	if (HYPERVISOR_grant_table_op(GNTTABOP_copy, copies, nr))
		return false;
	for (i = 0; i < nr; i++)
		if (copies[i].status != GNTST_okay)
			return false;
	return true;
}

/* Copies the fragments behind the prefix, which is in place. */
static bool nc2_copy_frags(struct nc2_ring *ring, struct sk_buff *skb,
			   const struct nc2_packet *message, unsigned int nr)
{
	struct nc2_cursor cursor = { .skb = skb };
	struct gnttab_copy *copies = ring->queue->copies;
	unsigned int count = 0;
	unsigned int i;

	/* The prefix may reach into the fragments of the copy. */
	for (i = message->prefix; i; ) {
		xen_pfn_t gfn;
		unsigned int off;
		unsigned int part = min(i, nc2_cursor_room(&cursor, &gfn, &off));

		nc2_cursor_move(&cursor, part);
		i -= part;
	}
	for (i = 0; i < nr; i++) {
		unsigned int from = message->frags[i].off;
		unsigned int left = message->frags[i].size;

		while (left) {
			struct gnttab_copy *copy = &copies[count];
			xen_pfn_t gfn;
			unsigned int off;
			unsigned int part = min(left, nc2_cursor_room(&cursor, &gfn, &off));

			copy->source.u.ref = message->frags[i].gref;
			copy->source.domid = ring->domid;
			copy->source.offset = from;
			copy->dest.u.gmfn = gfn;
			copy->dest.domid = DOMID_SELF;
			copy->dest.offset = off;
			copy->len = part;
			copy->flags = GNTCOPY_source_gref;
			nc2_cursor_move(&cursor, part);
			from += part;
			left -= part;
			if (++count < ARRAY_SIZE(ring->queue->copies))
				continue;
			if (!nc2_copy_batch(copies, count))
				return false;
			count = 0;
		}
	}
	return !count || nc2_copy_batch(copies, count);
}

static struct sk_buff *nc2_alloc(unsigned int len)
{
	unsigned int head = len <= SKB_MAX_HEAD(NET_IP_ALIGN) ? len : NC2_HEAD;
	int err;
	struct sk_buff *skb = alloc_skb_with_frags(head, len - head, 3, &err,
						   GFP_ATOMIC | __GFP_NOWARN);

	if (!skb)
		return NULL;
	skb_put(skb, head);
	skb->data_len = len - head;
	skb->len = len;
	return skb;
}

/* What the sender says of checksums and segments; false when it cannot be. */
static bool nc2_set_offload(struct sk_buff *skb, const struct nc2_packet *message)
{
	if (message->flags & NC2_CSUM_BLANK) {
		if (!skb_partial_csum_set(skb, message->csum_start,
					  message->csum_offset))
			return false;
	} else if (message->flags & NC2_DATA_VALIDATED) {
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	}
	if (message->seg == NC2_SEG_NONE)
		return true;
	if (skb->ip_summed != CHECKSUM_PARTIAL || !message->mss ||
	    message->seg > NC2_SEG_TCPV6)
		return false;
	skb_shinfo(skb)->gso_size = message->mss;
	skb_shinfo(skb)->gso_type = SKB_GSO_DODGY |
		(message->seg == NC2_SEG_TCPV4 ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6);
	skb_shinfo(skb)->gso_segs = 0;
	return true;
}

static void nc2_deliver(struct nc2_ring *ring, struct sk_buff *skb,
			const struct nc2_packet *message)
{
	struct nc2_queue *queue = ring->queue;
	struct net_device *dev = queue->nc2->netdev;
	const struct ethhdr *eth = (const void *)skb->data;

	/* Nobody else looks at what another guest sends us itself. */
	if (!netif_running(dev) || !nc2_set_offload(skb, message) ||
	    (ring->is_bypass && !ether_addr_equal(eth->h_source, ring->mac))) {
		dev->stats.rx_dropped++;
		kfree_skb(skb);
		return;
	}
	ring->received++;
	dev_sw_netstats_rx_add(dev, skb->len);
	skb->protocol = eth_type_trans(skb, dev);
	skb_reset_network_header(skb);
	skb_record_rx_queue(skb, queue->id);
	napi_gro_receive(&queue->napi, skb);
}

/* The bytes of a packet whose description is all right; 0 when it is not. */
static unsigned int nc2_check(const struct nc2_packet *message, unsigned int nr,
			      u16 size)
{
	unsigned int total = message->prefix;
	unsigned int i;

	if (sizeof(*message) + nr * sizeof(struct nc2_frag) + message->prefix != size)
		return 0;
	if (message->type != (nr ? NC2_RECEIVER_COPY : NC2_INLINE))
		return 0;
	for (i = 0; i < nr; i++) {
		const struct nc2_frag *frag = &message->frags[i];

		if (!frag->size || frag->off + frag->size > PAGE_SIZE)
			return 0;
		total += frag->size;
	}
	return total >= ETH_HLEN && total <= NC2_MAX_FRAME ? total : 0;
}

/* Takes a packet in; true when it was one. The message lies in shared memory. */
bool nc2_receive(struct nc2_ring *ring, const u8 *shared, u16 size)
{
	struct {
		struct nc2_packet fixed;
		struct nc2_frag frags[NC2_FRAGS];
	} copy;
	struct nc2_packet *message = &copy.fixed;
	unsigned int total = 0;
	unsigned int nr = 0;
	struct sk_buff *skb;

	if (size >= sizeof(*message)) {
		memcpy(message, shared, sizeof(*message));
		barrier();
		nr = (size - sizeof(*message) - min_t(u32, message->prefix, size - sizeof(*message))) /
		     sizeof(struct nc2_frag);
		if (nr <= NC2_FRAGS) {
			memcpy(message->frags, shared + sizeof(*message),
			       nr * sizeof(struct nc2_frag));
			barrier();
			total = nc2_check(message, nr, size);
		}
	}
	if (!total) {
		nc2_ring_break(ring, "a packet that cannot be");
		return false;
	}
	skb = nc2_alloc(total);
	if (skb) {
		skb_store_bits(skb, 0, shared + sizeof(*message) + nr * sizeof(struct nc2_frag),
			       message->prefix);
		if (nr && !nc2_copy_frags(ring, skb, message, nr)) {
			kfree_skb(skb);
			skb = NULL;
		}
	}
	if (nr) {
		int err;

		spin_lock(&ring->lock);
		err = nc2_ring_say(ring, NC2_FINISH_PACKET, message->id);
		spin_unlock(&ring->lock);
		if (err)
			nc2_ring_break(ring, "more packets than it may send");
	}
	if (skb)
		nc2_deliver(ring, skb, message);
	else
		ring->queue->nc2->netdev->stats.rx_dropped++;
	return true;
}
