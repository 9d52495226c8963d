/** What can be done to the disks of a domain while it runs. Each action reports its own failure. */
import type { DiskInfo } from "../../../control-plane/api/index.js";
import {
  allImages,
  derivedName,
  imageFailure,
  type LaunchDisk,
  type LaunchRequest,
  suggestVdev,
} from "../../state/index.js";
import { type AppContext, askForm, askSnapshot, confirmAction, type MenuItem, vdevProblem } from "../common/index.js";
import type { GuestRef } from "./guest-ref.js";

export class GuestDiskActions {
  constructor(
    private readonly context: AppContext,
    private readonly guest: () => GuestRef,
    private readonly look: () => Promise<void>,
  ) {}

  menu(disk: DiskInfo): MenuItem[] {
    const { config, readOnly, vdev } = disk;
    if (config.devtype === "cdrom") {
      return [
        { label: config.target === "" ? "Insert a medium" : "Change the medium", run: () => void this.insert(disk) },
        ...(config.target === "" ? [] : [{ label: "Eject", run: () => void this.eject(vdev) }]),
        { label: "Detach", tone: "danger", separated: true, run: () => void this.detach(vdev) },
      ];
    }
    const request = this.context.launchedAs(this.guest().name);
    const whileWritten: MenuItem[] = [
      { label: "Snapshot", run: () => void this.snapshot(config.target) },
      ...(request === undefined
        ? []
        : [{ label: "Start a clone beside it", run: () => void this.cloneBeside(disk, request) }]),
    ];
    return [
      ...(readOnly ? [] : whileWritten),
      { label: "Detach", tone: "danger", separated: !readOnly, run: () => void this.detach(vdev) },
    ];
  }

  async attach(disks: readonly DiskInfo[]): Promise<void> {
    const { shelf, host } = this.context;
    const images = await this.choices();
    const used = disks.map(({ vdev }) => vdev);
    const answers = await askForm({
      title: `Attach a disk to ${this.guest().name}`,
      fields: [
        { name: "target", label: "Image", choices: [...images, { value: "", label: "None: an empty CD-ROM drive" }] },
        { name: "vdev", label: "Name in the guest", value: suggestVdev(used) },
        { name: "readOnly", label: "Read only", kind: "switch" },
        { name: "cdrom", label: "As a CD-ROM", kind: "switch" },
      ],
      action: "Attach",
      check: ({ target, vdev = "", cdrom }) =>
        target === "" && cdrom === "" ? "Choose an image, or make it a CD-ROM drive." : vdevProblem(vdev, used),
    });
    if (answers === null) return;
    const { target = "", vdev = "", readOnly, cdrom } = answers;
    const isParent = allImages(shelf.trees).some(({ name, children }) => name === target && children.length > 0);
    const access = readOnly === "on" || cdrom === "on" || isParent ? "r" : "w";
    const devtype = cdrom === "on" ? ("cdrom" as const) : ("disk" as const);
    await this.do(`Attaching ${vdev}`, `${vdev} attached`, () =>
      host.attachDisk(this.guest().domid, { target, vdev, access, devtype }),
    );
  }

  private async insert({ vdev }: DiskInfo): Promise<void> {
    const images = await this.choices();
    const answers = await askForm({
      title: `Insert a medium into ${vdev}`,
      fields: [{ name: "target", label: "Image", choices: images }],
      action: "Insert",
      check: ({ target }) => (target === "" ? "There is no image: import one on the Disks screen." : null),
    });
    if (answers === null) return;
    const target = answers.target!;
    await this.do(`Inserting ${target}`, `${target} is in ${vdev}`, () =>
      this.context.host.changeMedium(this.guest().domid, vdev, target),
    );
  }

  private eject(vdev: string): Promise<void> {
    return this.do(`Ejecting ${vdev}`, `${vdev} is empty`, () =>
      this.context.host.changeMedium(this.guest().domid, vdev, null),
    );
  }

  private async detach(vdev: string): Promise<void> {
    const { host } = this.context;
    const { domid, name } = this.guest();
    try {
      await host.detachDisk(domid, vdev);
      this.context.announce(`${vdev} detached`);
    } catch (error) {
      if ((error as { code?: unknown }).code !== "bad-state") {
        this.context.fail(imageFailure(`Detaching ${vdev}`, error));
        return;
      }
      const detail = `${name} has not let go of it. Unmount it there, or take it away: what is not written yet is lost.`;
      if (!(await confirmAction({ title: `Take ${vdev} away?`, detail, action: "Take it away" }))) return;
      await this.do(`Detaching ${vdev}`, `${vdev} taken away`, () => host.detachDisk(domid, vdev, true));
    }
    await this.look();
  }

  private async snapshot(image: string): Promise<void> {
    await this.context.shelf.look();
    const asked = await askSnapshot(this.context, image);
    if (asked !== null) await this.do(`The snapshot of ${image}`, `${asked.snapshot} taken`, asked.take);
  }

  /** Another domain like this one, on a clone of what the disk holds now. */
  private async cloneBeside({ config: { target }, vdev }: DiskInfo, request: LaunchRequest): Promise<void> {
    const { shelf, host } = this.context;
    await shelf.look();
    const snapshot = derivedName(target, "snapshot", shelf.names);
    const clone = derivedName(target, "clone", shelf.names);
    let ready = false;
    await this.do(`The clone of ${target}`, `${clone} made`, async () => {
      await host.image("snapshot", target, snapshot);
      await host.image("clone", snapshot, clone);
      ready = true;
    });
    if (!ready) return;
    // Other disks that are written to have one guest; those that are read go along.
    const others = (request.disks ?? []).filter((disk) => disk.vdev !== vdev && (disk.readOnly || disk.cdrom));
    const own: LaunchDisk = { target: clone, vdev, readOnly: false, cdrom: false, layer: null };
    await this.context.boot({ ...request, disks: [own, ...others] });
  }

  private async choices(): Promise<{ value: string; label: string }[]> {
    const { shelf } = this.context;
    await shelf.look().catch((error: unknown) => this.context.fail(imageFailure("Looking at the images", error)));
    return allImages(shelf.trees).map(({ name, children }) => ({
      value: name,
      label: children.length > 0 ? `${name} (snapshot: read only)` : name,
    }));
  }

  private async do(tried: string, told: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.context.announce(told);
    } catch (error) {
      this.context.fail(imageFailure(tried, error));
    }
    await this.look();
  }
}
