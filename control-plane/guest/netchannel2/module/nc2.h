/* SPDX-License-Identifier: MIT */
/*
 * Netchannel2: a network front end that speaks in messages, and directly with
 * the front ends of other guests where Domain0 has introduced them. The
 * protocol is described in control-plane/backends/vif2/README.md.
 */
#ifndef NC2_H
#define NC2_H

#include <linux/bitmap.h>
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>
#include <xen/grant_table.h>
#include <xen/interface/grant_table.h>
#include <xen/xenbus.h>

#define NC2_MAX_QUEUES		16
/* Bypasses of one queue; Domain0 grants fewer. */
#define NC2_BYPASSES		8
/* Rings: 64 KiB out, 256 KiB in with Domain0, whose packets are all inline. */
#define NC2_OUT_ORDER		4
#define NC2_IN_ORDER		6
#define NC2_MAX_BYPASS_PAGES	64
/* Packets under way in one direction of a ring, and grants for them. */
#define NC2_SLOTS		128
#define NC2_REFS		512
/* Fragments of a packet: 64 KiB that begin within a page, and the linear part. */
#define NC2_FRAGS		19
/* Packets of up to so many bytes travel in the message. */
#define NC2_SMALL		256
/* What other packets carry of their head when the linear part is longer. */
#define NC2_HEAD		128
#define NC2_MAX_FRAME		(65535 + VLAN_ETH_HLEN)
/* Kept free for what answers the other end's packets: it may have NC2_SLOTS. */
#define NC2_RESERVE		((NC2_SLOTS + 64) * 8)

enum nc2_type {
	NC2_SET_MAX_PACKETS = 1,
	NC2_PACKET = 2,
	NC2_FINISH_PACKET = 3,
	NC2_SET_OFFLOAD = 4,
	NC2_SET_MAX_FRAGMENTS = 5,
	NC2_BYPASS_FRONTEND = 9,
	NC2_BYPASS_BACKEND = 10,
	NC2_BYPASS_FRONTEND_READY = 11,
	NC2_BYPASS_READY = 12,
	NC2_BYPASS_DISABLE = 13,
	NC2_BYPASS_DISABLED = 14,
	NC2_BYPASS_DETACH = 15,
	NC2_BYPASS_DETACHED = 16,
	NC2_PAD = 255,
};

enum nc2_packet_type {
	NC2_RECEIVER_COPY = 1,
	NC2_INLINE = 4,
};

#define NC2_CSUM_BLANK		1
#define NC2_DATA_VALIDATED	2

enum nc2_segmentation {
	NC2_SEG_NONE,
	NC2_SEG_TCPV4,
	NC2_SEG_TCPV6,
};

/* One direction of a pair of rings, in the page that both ends share. */
struct nc2_sring {
	u32 prod;
	u32 cons;
	u32 prod_event;
	u32 cons_event;
	u32 pad[12];
};

/* The end that owns the memory produces on the first. */
struct nc2_control {
	struct nc2_sring owner;
	struct nc2_sring mapper;
};

struct nc2_header {
	u8 type;
	u8 flags;
	u16 size;
};

/* Any message that says one number, or two. */
struct nc2_number {
	struct nc2_header header;
	u32 value;
	u32 handle;
};

struct nc2_offload {
	struct nc2_header header;
	u8 csum;
	u8 tso4;
	u8 tso6;
	u8 pad;
};

struct nc2_frag {
	u16 size;
	u16 off;
	u32 gref;
};

struct nc2_packet {
	struct nc2_header header;
	u32 id;
	u8 type;
	u8 flags;
	u8 seg;
	u8 pad;
	u16 prefix;
	u16 mss;
	u16 csum_start;
	u16 csum_offset;
	struct nc2_frag frags[];
};

/* BYPASS_FRONTEND without references, BYPASS_BACKEND with them. */
struct nc2_introduction {
	struct nc2_header header;
	u32 port;
	u16 ring_domid;
	u16 peer_domid;
	u32 handle;
	u8 mac[ETH_ALEN];
	u8 peer_trusted;
	u8 pages;
	u32 control_ref;
	u32 pad;
	u32 refs[];
};

struct nc2_frontend_ready {
	struct nc2_header header;
	s32 port;
	u32 handle;
	u32 control_ref;
	u32 refs[];
};

struct nc2_slot {
	struct sk_buff *skb;
	u16 nr;
	u16 next;
	grant_ref_t refs[NC2_FRAGS];
};

/* Pages that a ring lies in: ours with grants of them, or the other end's. */
struct nc2_memory {
	unsigned int nr;
	void *vaddr;
	struct page **pages;
	grant_ref_t *refs;
	struct gnttab_map_grant_ref *maps;
	struct gnttab_unmap_grant_ref *unmaps;
};

/* Our end of a pair of rings, with Domain0 or with another guest. */
struct nc2_ring {
	struct nc2_queue *queue;
	struct nc2_memory memory;
	domid_t domid;
	bool is_bypass;
	/* Packets may be sent. */
	bool ready;
	/* Domain0 ends the bypass: it does not become ready again. */
	bool ending;
	/* The other end does not keep to the protocol; nothing is read any more. */
	bool broken;
	u32 handle;
	u8 mac[ETH_ALEN];

	evtchn_port_t port;
	int irq;
	unsigned long eoi_due;

	/* What comes in: of the queue's poll alone. */
	struct nc2_sring *in;
	u8 *in_data;
	u32 in_size;
	u32 in_cons;
	u64 received;
	/* The last interrupt was for something. */
	bool busy;

	/* What goes out. */
	spinlock_t lock;
	struct nc2_sring *out;
	u8 *out_data;
	u32 out_size;
	u32 out_prod;
	u32 out_published;
	u32 max_packets;
	u32 max_frags;
	bool csum;
	bool tso4;
	bool tso6;
	u64 sent;
	/* Transmit queues that wait for room. */
	DECLARE_BITMAP(waiting, NC2_MAX_QUEUES);
	struct nc2_slot *slots;
	u16 free_slot;
	u32 in_flight;
	grant_ref_t ref_head;
	u32 free_refs;
};

/* A message of Domain0's that takes more than an interrupt's time. */
struct nc2_errand {
	struct list_head list;
	u16 size;
	u8 message[];
};

struct nc2_queue {
	struct nc2_device *nc2;
	unsigned int id;
	struct napi_struct napi;
	struct nc2_ring *ring;
	struct nc2_ring __rcu *bypasses[NC2_BYPASSES];
	struct gnttab_copy copies[2 * NC2_FRAGS];
	struct work_struct work;
	spinlock_t errand_lock;
	struct list_head errands;
};

struct nc2_device {
	struct net_device *netdev;
	struct xenbus_device *xdev;
	/* The address that Domain0 has given the interface. */
	u8 mac[ETH_ALEN];
	unsigned int nr_queues;
	struct nc2_queue *queues;
	struct work_struct settle;
};

/* ring.c */
struct nc2_ring *nc2_ring_alloc(struct nc2_queue *queue, domid_t domid);
void nc2_ring_free(struct nc2_ring *ring);
int nc2_ring_own(struct nc2_ring *ring, u32 out_pages, u32 in_pages);
int nc2_ring_map(struct nc2_ring *ring, u32 pages, u32 control_ref,
		 const u32 *refs);
int nc2_ring_listen(struct nc2_ring *ring, evtchn_port_t port);
void nc2_ring_greet(struct nc2_ring *ring);
void *nc2_ring_reserve(struct nc2_ring *ring, u16 size, u32 spare);
void nc2_ring_commit(struct nc2_ring *ring, u16 size);
int nc2_ring_say(struct nc2_ring *ring, u8 type, u32 value);
void nc2_ring_kick(struct nc2_ring *ring);
void nc2_ring_break(struct nc2_ring *ring, const char *why);
int nc2_ring_poll(struct nc2_ring *ring, int budget);
bool nc2_ring_sleep(struct nc2_ring *ring);
void nc2_ring_eoi(struct nc2_ring *ring);
void nc2_ring_wake(struct nc2_ring *ring, bool anyway);
void nc2_ring_want_room(struct nc2_ring *ring);

/* packet.c */
netdev_tx_t nc2_start_xmit(struct sk_buff *skb, struct net_device *dev);
bool nc2_receive(struct nc2_ring *ring, const u8 *message, u16 size);
void nc2_finish(struct nc2_ring *ring, u32 id);
void nc2_revoke(struct nc2_ring *ring, struct nc2_slot *slot);

/* bypass.c */
void nc2_errand(struct nc2_queue *queue, const u8 *message, u16 size);
void nc2_bypass_work(struct work_struct *work);
void nc2_bypass_end(struct nc2_queue *queue, int index);

#endif
