/**
 * The application: puts the views together, shows the one that is chosen, and owns the launch of a domain from click
 * to console.
 */
import type { DomId, HostApi } from "../../../control-plane/api/index.js";
import {
  DomainMonitor,
  explain,
  ImageJobs,
  ImageShelf,
  ISOLATION_ADVICE,
  type Isolation,
  isAlive,
  Launch,
  type LaunchRequest,
  type LaunchResult,
  looksLikeImage,
  type PageParameters,
  type Settings,
  Store,
} from "../../state/index.js";
import { BootView, installDropTarget } from "../boot/index.js";
import { type AppContext, h, type UiState, View, type ViewName } from "../common/index.js";
import { ConsolesView } from "../consoles/index.js";
import { DisksView } from "../disks/index.js";
import { DomainsView } from "../domains/index.js";
import { HypervisorLogView } from "../hypervisor-log/index.js";
import { join, NetworksView } from "../networks/index.js";
import { NoticesView } from "../notices/index.js";
import { XenstoreView } from "../xenstore/index.js";
import { buildEmbedBar, buildHeader } from "./header.js";

export interface AppParts {
  readonly host: HostApi;
  readonly settings: Store<Settings>;
  readonly dark: Store<boolean>;
  readonly parameters: PageParameters;
  readonly isolation: Isolation;
  /** Whether this browser can keep images. */
  readonly images: boolean;
}

export class AppView extends View {
  private readonly context: AppContext;
  private readonly notices = new NoticesView();
  private readonly bootView: BootView;
  private readonly consoles: ConsolesView;
  private readonly disks: DisksView;
  /** By the names of the domains. */
  private readonly launches = new Map<string, LaunchRequest>();
  private readonly views: ReadonlyMap<ViewName, HTMLElement>;
  private readonly main = h("main", { id: "main" });
  private launch: Launch | null = null;

  constructor(private readonly parts: AppParts) {
    super();
    const ui = new Store<UiState>({ view: "new", selected: null });
    const now = () => performance.now();
    const monitor = new DomainMonitor(parts.host, {
      now,
      onEvent: (event) => {
        void this.lookAtImages();
        if (event.kind === "domain-shutdown") this.tellShutdown(event.domid, event.reason);
      },
      onError: (error) => this.context.fail(error),
    });
    const storage = (navigator as Partial<Navigator>).storage ?? null;
    this.context = {
      ...parts,
      ui,
      monitor,
      shelf: new ImageShelf({ host: parts.host, storage, available: parts.images }),
      jobs: new ImageJobs(now),
      launchedAs: (name) => this.launches.get(name),
      useInNewDomain: (image) => {
        ui.patch({ view: "new" });
        this.bootView.useImage(image);
      },
      singleThread: parts.isolation !== "ok",
      boot: (request) => this.boot(request),
      notify: (notice) => this.notices.show(notice),
      fail: (error) => this.notices.show({ tone: "error", ...explain(error) }),
      announce: (text) => this.notices.announce(text),
    };
    this.bootView = new BootView(this.context);
    this.consoles = new ConsolesView(this.context);
    this.disks = new DisksView(this.context);
    this.views = new Map<ViewName, HTMLElement>([
      ["new", this.bootView],
      ["consoles", this.consoles],
      ["disks", this.disks],
      ["networks", new NetworksView(this.context)],
      ["log", new HypervisorLogView(this.context)],
      ["xenstore", new XenstoreView(this.context)],
    ]);
  }

  protected build(): void {
    const { parameters } = this.parts;
    document.body.classList.toggle("embed", parameters.embed);
    this.main.append(...this.views.values());
    const skip = h("a", { class: "skip-link", href: "#main" }, "Skip to the content");
    skip.addEventListener("click", (event) => {
      event.preventDefault();
      this.focusView();
    });
    const body = h("div", { class: "body" }, this.main);
    if (!parameters.embed)
      body.append(h("aside", { "aria-label": "Domains and machine" }, new DomainsView(this.context)));
    this.append(skip, parameters.embed ? buildEmbedBar(this.context) : buildHeader(this.context), body, this.notices);
    installDropTarget({
      text: () =>
        this.context.ui.get().view === "disks"
          ? "Drop disk images to import them"
          : "Drop a kernel and an initramfs to boot them, or disk images to import them",
      take: (files) => this.takeFiles(files),
    });
    this.own(this.context.ui.subscribe(({ view }) => this.showView(view)));
    this.own(this.context.monitor.snapshot.subscribe(({ rows }) => this.classList.toggle("occupied", rows.length > 0)));
    this.warnBeforeUnload();
    void this.start();
  }

  private async start(): Promise<void> {
    const { parameters } = this.parts;
    try {
      await this.context.monitor.start();
    } catch (error) {
      this.context.fail(error);
    }
    if (parameters.problems.length > 0) {
      this.context.notify({
        tone: "info",
        title: "The link was not quite right",
        detail: parameters.problems.join("; "),
        nextStep: "The defaults stand in for what could not be used.",
      });
    }
    this.tellIsolation();
    await this.joinNetworks();
    if (parameters.autostart) this.bootView.bootDefault();
  }

  /** A link may say so; whoever follows it is told, as guests can then be reached from elsewhere. */
  private async joinNetworks(): Promise<void> {
    for (const wanted of this.parts.parameters.joins) {
      try {
        await join(this.context, wanted);
        this.context.notify({
          tone: "info",
          title: `Network ${wanted.network} is shared`,
          detail: `Guests on it and those at ${wanted.url} can talk to each other.`,
          nextStep: "“Networks” shows how the link is, and ends it.",
        });
      } catch (error) {
        this.context.fail(error);
      }
    }
  }

  /** An embedded page says so in its bar. */
  private tellIsolation(): void {
    const { isolation, parameters } = this.parts;
    if (isolation === "ok" || parameters.embed) return;
    this.context.notify({
      tone: "info",
      title: "One thread: this page is not isolated",
      detail: "Guests and Domain0 take turns, on one core of this computer.",
      nextStep: ISOLATION_ADVICE[isolation],
    });
  }

  /** On the disks screen everything is an image; elsewhere what is called like one. */
  private takeFiles(files: readonly File[]): void {
    const onDisks = this.context.ui.get().view === "disks";
    const images = files.filter((file) => this.parts.images && (onDisks || looksLikeImage(file.name)));
    const others = files.filter((file) => !images.includes(file));
    if (images.length > 0) {
      this.context.ui.patch({ view: "disks" });
      void this.disks.takeFiles(images);
    }
    if (others.length === 0) return;
    if (images.length === 0) this.context.ui.patch({ view: "new" });
    this.bootView.takeFiles(others);
  }

  /** Events say who uses which image; a screen that shows it wants to know. */
  private async lookAtImages(): Promise<void> {
    if (this.context.ui.get().view !== "disks") return;
    await this.context.shelf.look().catch((error: unknown) => this.context.fail(error));
  }

  private async boot(request: LaunchRequest): Promise<boolean> {
    if (this.launch) return false;
    const { host } = this.parts;
    const launch = new Launch({ host, fetcher: (url, init) => fetch(url, init), base: document.baseURI }, request);
    this.launch = launch;
    const endProgress = this.bootView.showLaunch(launch);
    this.context.announce("Starting the domain");
    try {
      if (request.disks?.some(({ layer }) => layer !== null)) await this.context.shelf.persist();
      const result = await launch.run();
      this.launches.set(result.name, request);
      await this.showStarted(result);
      return true;
    } catch (error) {
      if (launch.cancelled) this.context.announce("Cancelled");
      else this.context.fail(error);
      return false;
    } finally {
      endProgress();
      this.launch = null;
    }
  }

  private async showStarted({ domid, name, notice }: LaunchResult): Promise<void> {
    this.context.ui.set({ view: "consoles", selected: domid });
    await this.context.monitor.look();
    this.consoles.focusTerminal();
    this.context.announce(`${name} started. Its console has the keyboard.`);
    if (notice)
      this.context.notify({ tone: "info", title: "Not the guest you asked for", detail: notice, nextStep: "" });
  }

  private showView(view: ViewName): void {
    for (const [name, element] of this.views) element.hidden = name !== view;
  }

  private focusView(): void {
    const view = this.views.get(this.context.ui.get().view);
    if (view === this.consoles) this.consoles.focusTerminal();
    else view?.querySelector<HTMLElement>("h1")?.focus();
  }

  private tellShutdown(domid: DomId, reason: string): void {
    const name = this.context.monitor.row(domid)?.info.name ?? `Domain ${domid}`;
    this.context.announce(`${name} stopped: ${reason}`);
    if (reason !== "crash") return;
    this.context.notify({
      tone: "error",
      title: `${name} crashed`,
      detail: "Its console and memory are kept as they were.",
      nextStep: "Read the console, save a core dump from its menu, or destroy it.",
    });
  }

  /** Asks before leaving only while a guest, or work on an image, would be lost. */
  private warnBeforeUnload(): void {
    window.addEventListener("beforeunload", (event) => {
      const { monitor, jobs } = this.context;
      const lost = jobs.running.get().length > 0 || monitor.snapshot.get().rows.some(({ info }) => isAlive(info));
      if (lost) event.preventDefault();
    });
  }
}
