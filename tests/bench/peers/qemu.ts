/** Debian's QEMU with its own compiler (TCG): the same kernel, initramfs and command line but for the console. */
import { type ChildProcess, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unpackKernel } from "../../../control-plane/domain/index.js";
import type { GuestImage } from "../../../control-plane/guest/index.js";
import { unwrap } from "../../../control-plane/util/index.js";
import { GUEST_COMMAND, neighbourScript, withBench } from "../guest.js";
import { CLOCK, filesFor } from "../programs.js";
import { WORDS } from "../workloads.js";
import { DISK_BYTES, MEMORY_MIB, type Peer, wantDisk, wantNeighbour } from "./peer.js";
import { listenToOutput, start, watch } from "./watch.js";

/** A PC with nothing but a serial port: QEMU's microvm has no clock that Linux can calibrate without KVM. */
const MACHINE = ["-machine", "pc", "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"];

/** One thread for one processor, as here; a thread each for more. */
function accelerator(processors: number): string {
  return `tcg,thread=${processors === 1 ? "single" : "multi"}`;
}

export function serialCmdline(cmdline: string): string {
  return cmdline.replace("console=hvc0", "console=ttyS0").replace("earlyprintk=xen", "earlyprintk=ttyS0,115200");
}

/** QEMU's -kernel enters an uncompressed kernel at its PVH note, as we do. */
export function qemu(guest: GuestImage, programs: string, scratch: string): Peer {
  const title = "QEMU TCG";
  const kernel = join(scratch, "vmlinux");
  writeFileSync(kernel, unwrap(unpackKernel(readFileSync(guest.kernel))));
  return {
    name: "qemu",
    title,
    words: WORDS,
    smp: true,
    disk: true,
    net: true,
    run(tasks, processors) {
      const machine = (name: string, script?: string): string[] => {
        const initramfs = join(scratch, `${name}.cpio`);
        const base = new Uint8Array(readFileSync(guest.initramfs));
        writeFileSync(initramfs, withBench(base, tasks, filesFor(programs, tasks), script));
        const size = ["-smp", String(processors), "-m", String(MEMORY_MIB)];
        const append = `${serialCmdline(guest.cmdline)} xl.exec="${GUEST_COMMAND}"`;
        const boot = ["-kernel", kernel, "-initrd", initramfs, "-append", append];
        return ["-accel", accelerator(processors), ...size, ...MACHINE, ...boot];
      };
      const argv = machine("qemu");
      const others: ChildProcess[] = [];
      if (wantNeighbour(tasks)) {
        const cable = join(scratch, "qemu-cable.sock");
        rmSync(cable, { force: true });
        const end = (server: boolean, mac: string) => [
          ...["-netdev", `stream,id=net,addr.type=unix,addr.path=${cable},server=${server ? "on" : "off"}`],
          ...["-device", `virtio-net-pci,netdev=net,mac=52:54:00:00:00:${mac}`],
        ];
        const beside = [...machine("qemu-beside", neighbourScript(tasks)), ...end(true, "02")];
        others.push(start("qemu-system-x86_64", beside, { stdio: ["ignore", "ignore", "inherit"] }));
        while (!existsSync(cable)) spawnSync("sleep", ["0.05"]);
        argv.push(...end(false, "01"));
      }
      if (wantDisk(tasks)) {
        const disk = join(scratch, "qemu.img");
        rmSync(disk, { force: true });
        writeFileSync(disk, "");
        truncateSync(disk, DISK_BYTES);
        argv.push("-drive", `file=${disk},format=raw,if=none,id=disk`, "-device", "virtio-blk-pci,drive=disk");
      }
      const startedMs = performance.now();
      const child = start("qemu-system-x86_64", argv, { stdio: ["ignore", "pipe", "inherit"] });
      return watch(title, {
        child,
        others,
        clock: join(programs, CLOCK),
        startedMs,
        counters: async () => null,
        listen: listenToOutput(child),
      });
    },
  };
}
