// The text files of the default guest's root file system.
//
// An interpreter boots this, so /init forks as little as it can: shell builtins for what they can do, one `mount -a` for
// all mounts (devpts needs a folder in devtmpfs first), and then busybox init, which respawns the shell and answers poweroff and reboot.

/** How a line begins that reports the exit status of `xl.exec` or `xl.run`. */
export const EXEC_STATUS_PREFIX = "xl.exec: exit status ";
/** The command's status where its root could not be mounted: that of chroot(1) when it fails itself. */
const NO_ROOT_STATUS = 125;

/** /init: process 1 until it hands over to busybox init. */
export const INIT_SCRIPT = `#!/bin/sh
# Xenolith's default guest: mounts, loads modules, then becomes busybox init.
# Kernel command line:
#   xl.exec="COMMAND"   run COMMAND, print "${EXEC_STATUS_PREFIX}N", power off
#   xl.run=BASE64       the same for a script in base64, which may hold any character
#   xl.modules=A,B      load these modules too
#   root=/dev/xvda      go on in the file system of that disk, or run the command there without its init;
#                       rootfstype=, rootflags=, ro and init= as the kernel has them
export PATH=/bin HOME=/root
mount -a
mkdir /dev/pts
mount /dev/pts
read -r cmdline </proc/cmdline
read -r consoles </sys/class/tty/console/active
read -r release </proc/sys/kernel/osrelease
read -r hostname </etc/hostname
echo "$hostname" >/proc/sys/kernel/hostname
tty=\${consoles##* }

modules= disks= network=
while read -r module _; do
  case $module in '' | '#'*) ;; *) modules="$modules $module" ;; esac
done </etc/modules
for device in /sys/bus/xen/devices/*; do
  case \${device##*/} in
    vbd-*) modules="$modules xen-blkfront" disks=1 ;;
    vif-*) modules="$modules xen-netfront" network=yes ;;
    vif2-*) network=yes ;;
  esac
done
case " $cmdline" in *' xl.modules='*)
  more=\${cmdline##*xl.modules=}
  IFS=,
  for module in \${more%% *}; do modules="$modules $module"; done
  unset IFS
esac
root=
case " $cmdline" in *' root=/dev/'*) root=\${cmdline##*root=} root=\${root%% *} ;; esac
fstype=ext4 access=rw flags= next=/sbin/init
for word in $cmdline; do
  case $word in
    rootfstype=*) fstype=\${word#*=} ;;
    rootflags=*) flags=$flags,\${word#*=} ;;
    ro) access=ro ;;
    init=*) next=\${word#*=} ;;
  esac
done
[ -z "$modules" ] || modprobe -a $modules
command=
script=
case " $cmdline" in
  *' xl.exec="'*) command=\${cmdline#*xl.exec=\\"} command=\${command%%\\"*} ;;
  # The kernel's own parser moves the quote in front of the name.
  *' "xl.exec='*) command=\${cmdline#*xl.exec=} command=\${command%%\\"*} ;;
  *' xl.exec='*) command=\${cmdline#*xl.exec=} command=\${command%% *} ;;
  *' xl.run='*) script=\${cmdline#*xl.run=} script=\${script%% *} ;;
esac
if [ -n "$script" ]; then
  echo "$script" | base64 -d >/run/xl.run
  command='. /run/xl.run'
fi
# Runs the command in front of which it stands, tells its status, and ends the guest.
finish() {
  "$@"
  echo "${EXEC_STATUS_PREFIX}$?"
  sync
  # Nothing of the disk is to be repeated at the next mount, unless somebody still writes to it.
  [ -z "$root" ] || mount -o remount,ro "$root" /newroot 2>/dev/null
  poweroff -f
}

if [ -n "$root" ]; then
  # The kernel may have it built in.
  modprobe -q "$fstype"
  tries=0
  while [ ! -b "$root" ] && [ $((tries += 1)) -le 50 ]; do sleep 0.1; done
  mkdir /newroot
  if mount -t "$fstype" -o "$access$flags" "$root" /newroot; then
    for folder in dev proc sys run tmp; do mount --move /$folder /newroot/$folder; done
    if [ -n "$command" ]; then
      read -r hostname </newroot/etc/hostname && echo "$hostname" >/newroot/proc/sys/kernel/hostname
      export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
      [ -z "$network" ] || [ ! -x /newroot/etc/netup ] || chroot /newroot /etc/netup once
      # With its path: of a bare "sh" busybox would take its own.
      finish chroot /newroot /bin/sh -c "cd; $command"
    fi
    umount /newroot/tmp
    exec switch_root /newroot "$next"
  fi
  if [ -n "$command" ]; then
    echo "init: $root cannot be mounted as $fstype: the command is not run"
    finish sh -c "exit ${NO_ROOT_STATUS}"
  fi
  echo "init: $root cannot be mounted as $fstype: a shell here instead"
fi
if [ -n "$command" ]; then
  [ -z "$network" ] || /etc/netup once
  cd /root
  finish sh -c "$command"
fi

echo "$tty::respawn:-/bin/sh" >/etc/inittab
echo "::ctrlaltdel:/bin/reboot" >>/etc/inittab
# These come after the shell, as nobody waits for them. They have no terminal: init sets that of whatever it starts to rights,
# and the shell's would have its echo again, by however much they come late.
echo "null::respawn:/bin/uevent /etc/uevent" >>/etc/inittab
[ -z "$disks" ] || echo "null::once:/sbin/freeze-agent" >>/etc/inittab
echo
echo "Welcome to Xenolith: Debian's Linux $release with busybox on $tty."
echo "Everything lives in memory. 'poweroff' stops the guest, 'busybox --list' shows its commands."
echo
if [ -n "$network" ]; then /etc/netup & fi
exec /bin/init
`;

/** /etc/uevent: what udev's rules would do about what comes while the guest runs: Linux only announces it. */
export const UEVENT_SCRIPT = `#!/bin/sh
case $ACTION:$SUBSYSTEM in
  # A disk or an interface that is attached while the guest runs.
  add:xen)
    modprobe -q "$MODALIAS"
    [ "$MODALIAS" != xen:vbd ] || setsid /sbin/freeze-agent </dev/null >/dev/null 2>&1 &
    ;;
  add:net) case $INTERFACE in eth*) /etc/netup "$INTERFACE" ;; esac ;;
  add:cpu) [ "$(cat "/sys$DEVPATH/online")" = 1 ] || echo 1 >"/sys$DEVPATH/online" ;;
esac
`;

/** Text files by path; all are mode 0644. */
export const TEXT_FILES: Readonly<Record<string, string>> = {
  "etc/fstab": `proc     /proc    proc     nosuid,nodev,noexec  0 0
sysfs    /sys     sysfs    nosuid,nodev,noexec  0 0
devtmpfs /dev     devtmpfs nosuid,mode=0755     0 0
tmpfs    /run     tmpfs    nosuid,nodev         0 0
tmpfs    /tmp     tmpfs    nosuid,nodev         0 0
devpts   /dev/pts devpts   noauto,nosuid,noexec,gid=5,mode=0620 0 0
`,
  "etc/hostname": "xenolith\n",
  "etc/hosts": "127.0.0.1 localhost xenolith\n::1 localhost\n",
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
  "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
  "etc/shells": "/bin/sh\n",
  "etc/profile": `export PATH=/bin HOME=\${HOME:-/root} TERM=xterm-256color
PS1='\\h:\\w\\$ '
cd "$HOME"
`,
};
