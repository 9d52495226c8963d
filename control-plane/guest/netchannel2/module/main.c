// SPDX-License-Identifier: MIT
/*
 * The network device and its life: found in xenstore as a device "vif2", with
 * as many queues as both ends want.
 */
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <xen/events.h>
#include <xen/xen.h>

#include "nc2.h"

#define NC2_FEATURES	(NETIF_F_SG | NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM | \
			 NETIF_F_TSO | NETIF_F_TSO6)
/* Domain0 may be stopped for a while; another guest that is has lost its bypass. */
#define NC2_WATCHDOG	(5 * HZ)

static unsigned int max_queues = NC2_MAX_QUEUES;
module_param(max_queues, uint, 0444);
MODULE_PARM_DESC(max_queues, "Most queues of a device");

static int nc2_poll(struct napi_struct *napi, int budget)
{
	struct nc2_queue *queue = container_of(napi, struct nc2_queue, napi);
	struct nc2_ring *rings[1 + NC2_BYPASSES];
	int nr = 1, work = 0, i;
	bool more = false;

	rings[0] = queue->ring;
	rcu_read_lock();
	for (i = 0; i < NC2_BYPASSES; i++) {
		rings[nr] = rcu_dereference(queue->bypasses[i]);
		if (rings[nr])
			nr++;
	}
	for (i = 0; i < nr; i++) {
		work += nc2_ring_poll(rings[i], budget - work);
		nc2_ring_wake(rings[i], false);
	}
	if (work < budget && napi_complete_done(napi, work)) {
		for (i = 0; i < nr; i++) {
			nc2_ring_eoi(rings[i]);
			more |= nc2_ring_sleep(rings[i]);
		}
		if (more)
			napi_schedule(napi);
	}
	rcu_read_unlock();
	return work;
}

static netdev_features_t nc2_fix_features(struct net_device *dev,
					  netdev_features_t features)
{
	struct nc2_device *nc2 = netdev_priv(dev);
	struct nc2_ring *ring = nc2->nr_queues ? nc2->queues[0].ring : NULL;

	if (ring && !ring->csum)
		features &= ~(NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM);
	if (ring && !ring->tso4)
		features &= ~NETIF_F_TSO;
	if (ring && !ring->tso6)
		features &= ~NETIF_F_TSO6;
	return features;
}

/* The other guest of a bypass takes nothing: Domain0 is to carry it. */
static void nc2_tx_timeout(struct net_device *dev, unsigned int txqueue)
{
	struct nc2_device *nc2 = netdev_priv(dev);
	unsigned int i, b;

	rcu_read_lock();
	for (i = 0; i < nc2->nr_queues; i++) {
		for (b = 0; b < NC2_BYPASSES; b++) {
			struct nc2_ring *ring = rcu_dereference(nc2->queues[i].bypasses[b]);

			if (ring && test_bit(txqueue, ring->waiting))
				nc2_ring_break(ring, "takes no packets");
		}
	}
	rcu_read_unlock();
}

static const struct net_device_ops nc2_ops = {
	.ndo_start_xmit = nc2_start_xmit,
	.ndo_fix_features = nc2_fix_features,
	.ndo_tx_timeout = nc2_tx_timeout,
	.ndo_get_stats64 = dev_get_tstats64,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

static void nc2_get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, "netchannel2", sizeof(info->driver));
	strscpy(info->bus_info, dev_name(dev->dev.parent), sizeof(info->bus_info));
}

static const struct ethtool_ops nc2_ethtool_ops = {
	.get_drvinfo = nc2_get_drvinfo,
	.get_link = ethtool_op_get_link,
};

/* A line for each bypass: queue, address, packets received and sent. */
static ssize_t bypasses_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct nc2_device *nc2 = netdev_priv(to_net_dev(dev));
	unsigned int i, b;
	int len = 0;

	rcu_read_lock();
	for (i = 0; i < nc2->nr_queues; i++) {
		for (b = 0; b < NC2_BYPASSES; b++) {
			struct nc2_ring *ring = rcu_dereference(nc2->queues[i].bypasses[b]);

			if (ring && ring->ready)
				len += sysfs_emit_at(buf, len, "%u %pM %llu %llu\n", i,
						     ring->mac, ring->received, ring->sent);
		}
	}
	rcu_read_unlock();
	return len;
}
static DEVICE_ATTR_RO(bypasses);

static struct attribute *nc2_attrs[] = { &dev_attr_bypasses.attr, NULL };
static const struct attribute_group nc2_group = {
	.name = "netchannel2", .attrs = nc2_attrs,
};

/* Domain0 has said what it takes, or a ring is broken: rtnl is needed for that. */
static void nc2_settle(struct work_struct *work)
{
	struct nc2_device *nc2 = container_of(work, struct nc2_device, settle);
	bool ready = nc2->nr_queues > 0;
	unsigned int i;

	rtnl_lock();
	for (i = 0; i < nc2->nr_queues; i++)
		ready &= nc2->queues[i].ring->ready;
	netdev_update_features(nc2->netdev);
	if (ready)
		netif_carrier_on(nc2->netdev);
	else
		netif_carrier_off(nc2->netdev);
	rtnl_unlock();
}

static void nc2_close_queue(struct nc2_queue *queue)
{
	struct nc2_errand *errand, *next;
	int i;

	/* What is under way may still answer: it needs the ring. */
	cancel_work_sync(&queue->work);
	napi_disable(&queue->napi);
	for (i = 0; i < NC2_BYPASSES; i++)
		nc2_bypass_end(queue, i);
	cancel_work_sync(&queue->work);
	list_for_each_entry_safe(errand, next, &queue->errands, list)
		kfree(errand);
	netif_napi_del(&queue->napi);
	if (queue->ring)
		nc2_ring_free(queue->ring);
}

/* Lets go of everything that Domain0 or other guests have of ours. */
static void nc2_disconnect(struct nc2_device *nc2)
{
	unsigned int i, nr = nc2->nr_queues;

	rtnl_lock();
	netif_carrier_off(nc2->netdev);
	netif_tx_disable(nc2->netdev);
	/* Who looks at the queues holds rtnl, or RCU and is waited for: then they are ours alone. */
	WRITE_ONCE(nc2->nr_queues, 0);
	rtnl_unlock();
	synchronize_net();
	cancel_work_sync(&nc2->settle);
	for (i = 0; i < nr; i++)
		disable_irq(nc2->queues[i].ring->irq);
	for (i = 0; i < nr; i++)
		nc2_close_queue(&nc2->queues[i]);
	cancel_work_sync(&nc2->settle);
	kvfree(nc2->queues);
	nc2->queues = NULL;
}

static int nc2_open_queue(struct nc2_device *nc2, unsigned int id)
{
	struct nc2_queue *queue = &nc2->queues[id];
	evtchn_port_t port;
	int err;

	queue->nc2 = nc2;
	queue->id = id;
	spin_lock_init(&queue->errand_lock);
	INIT_LIST_HEAD(&queue->errands);
	INIT_WORK(&queue->work, nc2_bypass_work);
	queue->ring = nc2_ring_alloc(queue, nc2->xdev->otherend_id);
	if (!queue->ring)
		return -ENOMEM;
	err = nc2_ring_own(queue->ring, 1 << NC2_OUT_ORDER, 1 << NC2_IN_ORDER);
	if (!err)
		err = xenbus_alloc_evtchn(nc2->xdev, &port);
	if (!err) {
		err = nc2_ring_listen(queue->ring, port);
		if (err)
			xenbus_free_evtchn(nc2->xdev, port);
	}
	if (err) {
		nc2_ring_free(queue->ring);
		return err;
	}
	netif_napi_add(nc2->netdev, &queue->napi, nc2_poll);
	napi_enable(&queue->napi);
	nc2_ring_greet(queue->ring);
	return 0;
}

static int nc2_write_keys(struct nc2_device *nc2, unsigned int id)
{
	struct nc2_ring *ring = nc2->queues[id].ring;
	const grant_ref_t *refs = ring->memory.refs;
	char path[64], key[32];
	unsigned int i, outs = 1 << NC2_OUT_ORDER;
	int err;

	snprintf(path, sizeof(path), "%s/queue-%u", nc2->xdev->nodename, id);
	err = xenbus_printf(XBT_NIL, path, "prod-order", "%u", NC2_OUT_ORDER);
	if (!err)
		err = xenbus_printf(XBT_NIL, path, "cons-order", "%u", NC2_IN_ORDER);
	if (!err)
		err = xenbus_printf(XBT_NIL, path, "control-gref", "%u", refs[0]);
	for (i = 1; !err && i < ring->memory.nr; i++) {
		bool is_out = i <= outs;

		snprintf(key, sizeof(key), "%s-gref-%u", is_out ? "prod" : "cons",
			 is_out ? i - 1 : i - 1 - outs);
		err = xenbus_printf(XBT_NIL, path, key, "%u", refs[i]);
	}
	if (err)
		return err;
	return xenbus_printf(XBT_NIL, path, "event-channel", "%u",
			     ring->port);
}

static int nc2_connect(struct nc2_device *nc2)
{
	struct xenbus_device *xdev = nc2->xdev;
	struct net_device *dev = nc2->netdev;
	unsigned int most = xenbus_read_unsigned(xdev->otherend, "multi-queue-max-queues", 1);
	unsigned int nr = min3(most, max_queues, num_online_cpus());
	int err = 0;
	unsigned int i;

	nr = clamp_t(unsigned int, nr, 1, dev->num_tx_queues);
	nc2->queues = kvcalloc(nr, sizeof(*nc2->queues), GFP_KERNEL);
	if (!nc2->queues)
		return -ENOMEM;
	for (i = 0; !err && i < nr; i++) {
		err = nc2_open_queue(nc2, i);
		if (!err)
			nc2->nr_queues++;
	}
	for (i = 0; !err && i < nr; i++)
		err = nc2_write_keys(nc2, i);
	if (!err)
		err = xenbus_printf(XBT_NIL, xdev->nodename, "multi-queue-num-queues", "%u", nr);
	if (err) {
		nc2_disconnect(nc2);
		return err;
	}
	rtnl_lock();
	netif_set_real_num_tx_queues(dev, nr);
	netif_set_real_num_rx_queues(dev, nr);
	for (i = 0; i < nr; i++)
		netif_set_xps_queue(dev, cpumask_of(i % num_online_cpus()), i);
	rtnl_unlock();
	return 0;
}

static void nc2_otherend_changed(struct xenbus_device *xdev,
				 enum xenbus_state state)
{
	struct nc2_device *nc2 = dev_get_drvdata(&xdev->dev);
	int err;

	switch (state) {
	case XenbusStateInitWait:
		if (xdev->state != XenbusStateInitialising)
			return;
		err = nc2_connect(nc2);
		if (err)
			xenbus_dev_fatal(xdev, err, "connecting");
		else
			xenbus_switch_state(xdev, XenbusStateConnected);
		return;
	case XenbusStateConnected:
		netif_tx_wake_all_queues(nc2->netdev);
		netdev_notify_peers(nc2->netdev);
		return;
	case XenbusStateClosed:
		if (xdev->state == XenbusStateClosed)
			return;
		fallthrough;
	case XenbusStateClosing:
		nc2_disconnect(nc2);
		xenbus_frontend_closed(xdev);
		return;
	default:
		return;
	}
}

static int nc2_read_mac(struct xenbus_device *xdev, u8 mac[ETH_ALEN])
{
	char *text = xenbus_read(XBT_NIL, xdev->nodename, "mac", NULL);
	bool ok;

	if (IS_ERR(text))
		return PTR_ERR(text);
	ok = mac_pton(text, mac);
	kfree(text);
	return ok ? 0 : -EINVAL;
}

static int nc2_probe(struct xenbus_device *xdev, const struct xenbus_device_id *id)
{
	unsigned int most = clamp_t(unsigned int, max_queues, 1,
				    min_t(unsigned int, num_online_cpus(), NC2_MAX_QUEUES));
	struct net_device *dev = alloc_etherdev_mq(sizeof(struct nc2_device), most);
	struct nc2_device *nc2;
	int err;

	if (!dev)
		return -ENOMEM;
	nc2 = netdev_priv(dev);
	nc2->netdev = dev;
	nc2->xdev = xdev;
	INIT_WORK(&nc2->settle, nc2_settle);
	dev->netdev_ops = &nc2_ops;
	dev->ethtool_ops = &nc2_ethtool_ops;
	dev->hw_features = NC2_FEATURES;
	dev->features = NC2_FEATURES;
	dev->vlan_features = NC2_FEATURES;
	dev->watchdog_timeo = NC2_WATCHDOG;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = ETH_MAX_MTU - VLAN_ETH_HLEN;
	dev->mtu = clamp_t(unsigned int, xenbus_read_unsigned(xdev->otherend, "mtu", ETH_DATA_LEN),
			   dev->min_mtu, dev->max_mtu);
	dev->sysfs_groups[0] = &nc2_group;
	SET_NETDEV_DEV(dev, &xdev->dev);
	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	err = dev->tstats ? nc2_read_mac(xdev, nc2->mac) : -ENOMEM;
	if (err)
		goto fail;
	eth_hw_addr_set(dev, nc2->mac);
	netif_carrier_off(dev);
	dev_set_drvdata(&xdev->dev, nc2);
	err = register_netdev(dev);
	if (err)
		goto fail;
	xenbus_switch_state(xdev, XenbusStateInitialising);
	return 0;

fail:
	free_percpu(dev->tstats);
	free_netdev(dev);
	xenbus_dev_fatal(xdev, err, "starting");
	return err;
}

/* The domain goes on somewhere else: everything is made anew. */
static int nc2_resume(struct xenbus_device *xdev)
{
	nc2_disconnect(dev_get_drvdata(&xdev->dev));
	xenbus_switch_state(xdev, XenbusStateInitialising);
	return 0;
}

static void nc2_remove(struct xenbus_device *xdev)
{
	struct nc2_device *nc2 = dev_get_drvdata(&xdev->dev);
	struct net_device *dev = nc2->netdev;

	xenbus_switch_state(xdev, XenbusStateClosing);
	nc2_disconnect(nc2);
	xenbus_switch_state(xdev, XenbusStateClosed);
	unregister_netdev(dev);
	free_percpu(dev->tstats);
	free_netdev(dev);
}

static const struct xenbus_device_id nc2_ids[] = {
	{ "vif2" },
	{ "" }
};

static struct xenbus_driver nc2_driver = {
	.ids = nc2_ids,
	.probe = nc2_probe,
	.remove = nc2_remove,
	.resume = nc2_resume,
	.otherend_changed = nc2_otherend_changed,
};

static int __init nc2_init(void)
{
	return xen_domain() ? xenbus_register_frontend(&nc2_driver) : -ENODEV;
}
module_init(nc2_init);

static void __exit nc2_exit(void)
{
	xenbus_unregister_driver(&nc2_driver);
}
module_exit(nc2_exit);

MODULE_DESCRIPTION("Netchannel2 network front end");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_ALIAS("xen:vif2");
