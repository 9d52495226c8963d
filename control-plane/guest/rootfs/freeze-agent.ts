// The program that brings a guest's file systems to rest when Domain0 takes a snapshot of a disk of its. A shell script, so
// that the guest stays made of Debian's packages alone; it speaks to xenstore through the kernel's /dev/xen/xenbus.
// [XEN] io/xs_wire.h; the keys are in domain/quiesce.ts.

export const FREEZE_AGENT = `#!/bin/busybox sh
# Freezes the file systems on this guest's disks while Domain0 takes a snapshot of one, so that none has anything to repair:
#   control/freeze   "freeze ID SECONDS", then "thaw ID": Domain0 asks
#   data/freeze      "frozen ID", "failed ID WHY"; "thawed ID", "late ID": this answers
# What nobody thaws within SECONDS thaws by itself; "late" says that it did.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mkdir /run/freeze-agent 2>/dev/null || exit 0
exec 3<>/dev/xen/xenbus || exit 1
cd /run/freeze-agent

# A message in one write: type in octal, length of the body, and the body as a format.
send() {
  printf "\\\\$1\\\\000\\\\000\\\\000\\\\000\\\\000\\\\000\\\\000\\\\000\\\\000\\\\000\\\\000\\\\$(printf %o "$2")\\\\000\\\\000\\\\000$3" >&3
}
receive() {
  set -- $(dd bs=16 count=1 iflag=fullblock <&3 2>/dev/null | od -An -tu4)
  kind=$1 body=
  [ "\${4:-0}" -eq 0 ] || body=$(dd bs="$4" count=1 iflag=fullblock <&3 2>/dev/null | tr '\\000' ' ')
  [ -n "$kind" ] || exit 1
}
# Events come between a request and its reply: one that did is looked at afterwards.
changed=
reply() {
  receive
  while [ "$kind" -eq 15 ]; do changed=1; receive; done
}
watch_key() { send 4 $((\${#1} + 8)) "$1\\\\000freeze\\\\000"; reply; }
read_key() { send 2 $((\${#1} + 1)) "$1\\\\000"; reply; [ "$kind" -eq 2 ] || body=; }
write_key() { send 13 $((\${#1} + 1 + \${#2})) "$1\\\\000$2"; reply; }
answer() { write_key data/freeze "$(printf %s "$*" | tr -c 'A-Za-z0-9 /._:,()-' ' ' | cut -c -180)"; }

# What is written to and on a disk, each once, the last mounted first: it may lie on another.
mounts() {
  devices= folders=
  while read -r device folder _ options _; do
    case $device:$options in /dev/*:rw*) ;; *) continue ;; esac
    case " $devices " in *" $device "*) continue ;; esac
    devices="$devices $device" folders="$folder $folders"
  done </proc/mounts
}
# What was frozen here, the last first.
thaw_all() {
  reversed=
  while read -r folder; do reversed="$folder $reversed"; done <folders
  for folder in $reversed; do fsfreeze --unfreeze "$(printf '%b' "$folder")" 2>/dev/null; done
}
# Whoever removes the file thaws.
freeze() {
  # Most of what is to be written is, before anybody has to wait for it.
  sync
  mounts
  : >folders
  echo "$1" >frozen
  (sleep "$2" && rm frozen 2>/dev/null && thaw_all) 3>&- &
  guard=$!
  for folder in $folders; do
    if fsfreeze --freeze "$(printf '%b' "$folder")" 2>error; then printf '%s\\n' "$folder" >>folders; continue; fi
    read -r error <error
    why="$folder: \${error##*: }"
    rm frozen 2>/dev/null && kill "$guard"
    thaw_all
    answer failed "$1" "$why"
    return
  done
  if [ -e frozen ]; then answer frozen "$1"; return; fi
  thaw_all
  answer failed "$1" "it took longer than $2 s"
}
thaw() {
  [ "$(cat frozen 2>/dev/null)" = "$1" ] && rm frozen 2>/dev/null || { answer late "$1"; return; }
  kill "$guard"
  thaw_all
  answer thawed "$1"
}

watch_key control/freeze
read_key control/freeze
# What was asked before this began was asked of nobody.
last=$body
changed=
write_key control/feature-freeze 1
while :; do
  [ -n "$changed" ] || receive
  changed=
  read_key control/freeze
  [ "$body" != "$last" ] || continue
  last=$body
  set -- $body
  case $1 in
    freeze) freeze "$2" "$3" ;;
    thaw) thaw "$2" ;;
  esac
done
`;
