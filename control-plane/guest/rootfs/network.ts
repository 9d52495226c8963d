// How a guest comes onto its networks, with busybox alone: the same in the initramfs and on a disk.

/** /etc/netup: brings the interfaces up. */
export const NETUP_SCRIPT = `#!/bin/sh
# Brings up the interfaces of Xen's network devices, or those that are named: IPv4 by DHCP, IPv6 by what a router says.
# With "once" before them it ends when each has an address, or nobody gave one in three seconds.
keep=
if [ "$1" = once ]; then keep=-nq; shift; fi
busybox ip link set lo up
if [ $# -eq 0 ]; then
  for device in /sys/bus/xen/devices/vif*-*; do
    # The driver makes the interface when the back end has answered.
    tries=0
    while [ ! -e "$device/net" ] && [ $((tries += 1)) -le 50 ]; do busybox sleep 0.1; done
    for interface in "$device"/net/*; do
      [ ! -e "$interface" ] || set -- "$@" "\${interface##*/}"
    done
  done
fi
/etc/netqueues
for interface; do
  # The kernel tells of an interface a moment before it can be found by its name; and it may be gone again.
  tries=0
  until busybox ip link set "$interface" up 2>/dev/null; do
    [ $((tries += 1)) -le 20 ] || continue 2
    busybox sleep 0.1
  done
  busybox udhcpc -f $keep -t 3 -T 1 -i "$interface" -s /etc/udhcpc.script </dev/null >/dev/null 2>&1 &
done
[ -z "$keep" ] || wait
`;

/** /etc/netqueues: gives the queues processors. */
export const NETQUEUES_SCRIPT = `#!/bin/sh
# A queue's interrupts go to a processor of its own, as irqbalance has it: left to Linux, half of them get all that comes in.
processors=$(busybox nproc)
for irq in /proc/irq/*/vif*-q*-*; do
  queue=\${irq##*-q}
  [ ! -e "$irq" ] || echo $((\${queue%-*} % processors)) >"\${irq%/*}/smp_affinity_list"
done
`;

/** /etc/udhcpc.script: what DHCP found out becomes the interface's. */
export const DHCP_SCRIPT = `#!/bin/sh
case $1 in
  deconfig)
    # What somebody else gave the interface stays.
    if [ -e "/run/dhcp.$interface" ]; then
      busybox ip -4 addr flush dev "$interface"
      busybox rm "/run/dhcp.$interface"
    fi
    ;;
  bound | renew)
    : >"/run/dhcp.$interface"
    busybox ip addr replace "$ip/\${mask:-24}" broadcast + dev "$interface"
    [ -z "$mtu" ] || busybox ip link set "$interface" mtu "$mtu"
    # Of several ways out the first interface's is taken.
    read -r index <"/sys/class/net/$interface/ifindex"
    [ -z "$router" ] || busybox ip route replace default via "\${router%% *}" dev "$interface" metric $((100 + index))
    {
      [ -z "$domain" ] || echo "search $domain"
      for server in $dns; do echo "nameserver $server"; done
    } >/etc/resolv.conf
    ;;
esac
`;
