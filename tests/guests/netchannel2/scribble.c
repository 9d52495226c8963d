// SPDX-License-Identifier: MIT
/*
 * A guest that does not keep to the protocol: each time netchannel2 is about to
 * show another guest what it has written to a bypass, this writes nonsense; or
 * it does not read what is there.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/random.h>

#include "nc2.h"

static char *deed = "";
module_param(deed, charp, 0444);

/* A message that has just been written is the last before where we are. */
static struct nc2_packet *last_packet(struct nc2_ring *ring)
{
	u32 at = ring->out_published;
	struct nc2_packet *found = NULL;

	while (at != ring->out_prod) {
		struct nc2_packet *message = (void *)(ring->out_data + (at & (ring->out_size - 1)));

		if (message->header.type == NC2_PACKET)
			found = message;
		at += ALIGN(message->header.size, 8);
	}
	return found;
}

static void do_deed(struct nc2_ring *ring)
{
	struct nc2_packet *packet = last_packet(ring);
	u32 at = ring->out_published & (ring->out_size - 1);

	if (!strcmp(deed, "index"))
		ring->out_prod += 0x100000;
	else if (!strcmp(deed, "consumed"))
		ring->in->cons -= 0x100000;
	else if (!strcmp(deed, "noise"))
		get_random_bytes(ring->out_data + at, min(512U, ring->out_size - at));
	else if (!packet)
		return;
	else if (!strcmp(deed, "size"))
		packet->header.size = 4;
	else if (!strcmp(deed, "prefix"))
		packet->prefix = 65000;
	else if (!strcmp(deed, "kind"))
		packet->type = NC2_RECEIVER_COPY;
	else if (!strcmp(deed, "finish"))
		*packet = (struct nc2_packet){
			.header = { .type = NC2_FINISH_PACKET, .size = packet->header.size },
			.id = 0x7fffffff,
		};
	else if (!strcmp(deed, "grants") && packet->type == NC2_RECEIVER_COPY)
		packet->frags[0].gref ^= 0x7ff;
	else if (!strcmp(deed, "source"))
		((u8 *)packet)[sizeof(*packet) + 8 * ((packet->header.size - sizeof(*packet) - packet->prefix) / 8) + 11] ^= 1;
}

static int before_kick(struct kprobe *probe, struct pt_regs *regs)
{
	struct nc2_ring *ring = (void *)regs->di;

	if (ring->is_bypass && ring->ready && ring->out_prod != ring->out_published)
		do_deed(ring);
	return 0;
}

/* Takes the place of what reads a ring. */
static noinline int deaf_poll(struct nc2_ring *ring, int budget)
{
	return 0;
}

static int before_poll(struct kprobe *probe, struct pt_regs *regs)
{
	struct nc2_ring *ring = (void *)regs->di;

	if (!ring->is_bypass || strcmp(deed, "deaf"))
		return 0;
	regs->ip = (unsigned long)deaf_poll;
	return 1;
}

static struct kprobe kick = {
	.symbol_name = "nc2_ring_kick",
	.pre_handler = before_kick,
};

static struct kprobe poll = {
	.symbol_name = "nc2_ring_poll",
	.pre_handler = before_poll,
};

static struct kprobe *probes[] = { &kick, &poll };

static int __init scribble_init(void)
{
	return register_kprobes(probes, ARRAY_SIZE(probes));
}
module_init(scribble_init);

static void __exit scribble_exit(void)
{
	unregister_kprobes(probes, ARRAY_SIZE(probes));
}
module_exit(scribble_exit);

MODULE_DESCRIPTION("Nonsense for netchannel2's bypasses");
MODULE_LICENSE("Dual MIT/GPL");
