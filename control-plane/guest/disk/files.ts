// What a disk's root file system has beside the packages' own files: where it is merged, init, and who there is.
import { type ArchiveEntry, encodeUtf8, S_IFDIR, S_IFLNK, S_IFREG } from "../../formats/index.js";
import { DHCP_SCRIPT, FREEZE_AGENT, NETQUEUES_SCRIPT, NETUP_SCRIPT } from "../rootfs/index.js";

/** Folders of the root that are links into /usr, as in every Debian since bookworm. */
const MERGED = ["bin", "sbin", "lib", "lib64"];

const NO_DATA = new Uint8Array(0);
const folder = (path: string, mode = 0o755): ArchiveEntry => ({ path, mode: S_IFDIR | mode, data: NO_DATA });
const link = (path: string, target: string): ArchiveEntry => ({
  path,
  mode: S_IFLNK | 0o777,
  data: encodeUtf8(target),
});
const file = (path: string, text: string, mode = 0o644): ArchiveEntry => ({
  path,
  mode: S_IFREG | mode,
  data: encodeUtf8(text),
});

/** As in the default guest, what is started beside the shell has no terminal. */
const INITTAB = `::sysinit:/etc/init.d/rcS
::respawn:-/bin/bash
null::once:/usr/sbin/freeze-agent
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/umount -a -r
`;

/** What the initramfs has mounted already stays; the rest is as in the default guest. */
const RC_SYSINIT = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
for mount in proc:/proc sysfs:/sys devtmpfs:/dev tmpfs:/run tmpfs:/tmp; do
  mountpoint -q "\${mount#*:}" || mount -t "\${mount%%:*}" "\${mount%%:*}" "\${mount#*:}"
done
mkdir -p /dev/pts
mountpoint -q /dev/pts || mount -t devpts devpts /dev/pts
mount -o remount,rw /
hostname -F /etc/hostname
ldconfig
/etc/netup &
echo
echo "Welcome to Debian on Xenolith: $(uname -sr) on $(findmnt -no SOURCE /)."
echo
`;

const PROFILE = `export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root TERM=xterm-256color
PS1='\\h:\\w\\$ '
cd /root
`;

/** Entries in the order in which later ones take the place of earlier ones. */
export function ownEntries(): ArchiveEntry[] {
  return [
    ...["usr", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "etc/init.d"].map((path) => folder(path)),
    ...["dev", "proc", "sys", "run", "mnt", "var", "var/log"].map((path) => folder(path)),
    folder("tmp", 0o1777),
    folder("root", 0o700),
    ...MERGED.map((path) => link(path, `usr/${path}`)),
    link("usr/sbin/init", "../bin/busybox"),
    link("usr/bin/sh", "dash"),
    link("usr/bin/awk", "mawk"),
    link("etc/mtab", "../proc/self/mounts"),
    ...["reboot", "poweroff", "halt"].map((name) => link(`usr/sbin/${name}`, "../bin/busybox")),
    file("usr/sbin/freeze-agent", FREEZE_AGENT, 0o755),
    file("etc/inittab", INITTAB),
    file("etc/init.d/rcS", RC_SYSINIT, 0o755),
    file("etc/netup", NETUP_SCRIPT, 0o755),
    file("etc/netqueues", NETQUEUES_SCRIPT, 0o755),
    file("etc/udhcpc.script", DHCP_SCRIPT, 0o755),
    file("etc/profile", PROFILE),
    file("etc/fstab", "/dev/xvda / ext4 defaults 0 1\n"),
    file("etc/hostname", "debian\n"),
    file("etc/hosts", "127.0.0.1 localhost debian\n"),
    file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
    file("etc/group", "root:x:0:\ntty:x:5:\ndisk:x:6:\nnogroup:x:65534:\n"),
    file("etc/shells", "/bin/sh\n/bin/bash\n"),
  ];
}

/** Where a package's file goes in a merged system. */
export function mergedPath(path: string): string {
  const [first] = path.split("/");
  return MERGED.includes(first!) ? `usr/${path}` : path;
}
