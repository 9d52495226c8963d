/** What can be done to a domain. Each action reports its own failure and says to screen readers what it did. */
import type { DomainInfo } from "../../../control-plane/api/index.js";
import { isAlive } from "../../state/index.js";
import { type AppContext, confirmAction, h, type MenuItem } from "../common/index.js";

/** Letters of Linux's magic SysRq, Documentation/admin-guide/sysrq.rst. */
const SYSRQ: readonly (readonly [string, string])[] = [
  ["t", "SysRq t: show tasks"],
  ["m", "SysRq m: show memory"],
  ["s", "SysRq s: sync disks"],
  ["c", "SysRq c: crash the kernel"],
];

export class DomainActions {
  constructor(private readonly context: AppContext) {}

  togglePause(info: DomainInfo): Promise<void> {
    const { host } = this.context;
    if (info.state === "paused") return this.run(() => host.unpause(info.domid), `${info.name} resumed`);
    return this.run(() => host.pause(info.domid), `${info.name} paused`);
  }

  shutdown(info: DomainInfo, reason: "poweroff" | "reboot"): Promise<void> {
    const told = `${info.name} was asked to ${reason === "reboot" ? "reboot" : "shut down"}`;
    return this.run(() => this.context.host.shutdown(info.domid, reason), told);
  }

  async destroy(info: DomainInfo): Promise<void> {
    const sure =
      !isAlive(info) ||
      (await confirmAction({
        title: `Destroy ${info.name}?`,
        detail: "Its power is cut at once. What the guest has not saved is lost.",
        action: "Destroy",
      }));
    if (sure) await this.run(() => this.context.host.destroy(info.domid), `${info.name} destroyed`);
  }

  /** The rarer actions, for a menu. */
  menu(info: DomainInfo): MenuItem[] {
    const { host } = this.context;
    const alive = isAlive(info);
    const sysrq = SYSRQ.map(([letter, label]) => ({
      label,
      run: () => void this.run(() => host.trigger(info.domid, "sysrq", letter), label),
    }));
    const whileAlive: MenuItem[] = [
      { label: "Reboot", run: () => void this.shutdown(info, "reboot") },
      {
        label: "Send an NMI",
        separated: true,
        run: () => void this.run(() => host.trigger(info.domid, "nmi"), `NMI sent to ${info.name}`),
      },
      ...sysrq,
    ];
    return [
      ...(alive ? whileAlive : []),
      { label: "Save a core dump", separated: alive, run: () => void this.dumpCore(info) },
      { label: "Destroy", tone: "danger", separated: true, run: () => void this.destroy(info) },
    ];
  }

  private async dumpCore(info: DomainInfo): Promise<void> {
    await this.run(async () => {
      const chunks: BlobPart[] = [];
      await this.context.host.dumpCore(info.domid, (chunk) => {
        chunks.push(new Uint8Array(chunk));
      });
      saveBlob(new Blob(chunks, { type: "application/x-coredump" }), `${info.name}.core`);
    }, `Core of ${info.name} saved`);
  }

  private async run(action: () => Promise<void>, told: string): Promise<void> {
    try {
      await action();
      this.context.announce(told);
    } catch (error) {
      this.context.fail(error);
    }
    await this.context.monitor.look();
  }
}

const REVOKE_AFTER_MS = 60_000;

function saveBlob(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), REVOKE_AFTER_MS);
}
