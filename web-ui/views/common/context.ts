/** What every view is given: the machine, the state, and the two ways to tell a person something. */
import type { DomId, HostApi } from "../../../control-plane/api/index.js";
import type {
  DomainMonitor,
  ImageJobs,
  ImageShelf,
  LaunchRequest,
  PageParameters,
  Settings,
  Store,
} from "../../state/index.js";

export type ViewName = "new" | "consoles" | "disks" | "networks" | "log" | "xenstore";

export interface UiState {
  readonly view: ViewName;
  /** The domain whose console is shown. */
  readonly selected: DomId | null;
}

export interface Notice {
  readonly tone: "error" | "info";
  readonly title: string;
  readonly detail: string;
  readonly nextStep: string;
}

export interface AppContext {
  readonly host: HostApi;
  readonly monitor: DomainMonitor;
  /** The images of this browser, and what is under way with them. */
  readonly shelf: ImageShelf;
  readonly jobs: ImageJobs;
  readonly settings: Store<Settings>;
  /** The theme in force: the setting, or the system's preference. */
  readonly dark: Store<boolean>;
  readonly ui: Store<UiState>;
  readonly parameters: PageParameters;
  /** Whether the machine has one thread, because this page is not isolated. */
  readonly singleThread: boolean;
  /** Starts a domain, and answers whether it did; reports its own failures. */
  boot(request: LaunchRequest): Promise<boolean>;
  /** How this page started the domain of that name, if it did. */
  launchedAs(name: string): LaunchRequest | undefined;
  /** Shows the form for a new domain, with this image among its disks. */
  useInNewDomain(image: string): void;
  /** Shows a message until it is dismissed. */
  notify(notice: Notice): void;
  /** Shows a failure with its next step. */
  fail(error: unknown): void;
  /** Says something to screen readers only: what the eye sees anyway. */
  announce(text: string): void;
}
