/** What every view is given: the machine, the state, and the two ways to tell a person something. */
import type { DomId, HostApi } from "../../../control-plane/api/index.js";
import type { DomainMonitor, LaunchRequest, PageParameters, Settings, Store } from "../../state/index.js";

export type ViewName = "new" | "consoles" | "log" | "xenstore";

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
  readonly settings: Store<Settings>;
  /** The theme in force: the setting, or the system's preference. */
  readonly dark: Store<boolean>;
  readonly ui: Store<UiState>;
  readonly parameters: PageParameters;
  /** Whether the machine has one thread, because this page is not isolated. */
  readonly singleThread: boolean;
  /** Starts a domain; reports its own failures. */
  boot(request: LaunchRequest): Promise<void>;
  /** Shows a message until it is dismissed. */
  notify(notice: Notice): void;
  /** Shows a failure with its next step. */
  fail(error: unknown): void;
  /** Says something to screen readers only: what the eye sees anyway. */
  announce(text: string): void;
}
