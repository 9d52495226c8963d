/**
 * Carries a back end through the handshake: watches the front end's state in xenstore, steps the machine, and performs
 * its effects. One of these per device.
 */
import type { Backend, BackendIo } from "../backends/backend.js";
import type { LocalStore } from "../xenstore/index.js";
import {
  type HandshakeEffect,
  type HandshakeEvent,
  type HandshakeState,
  INITIAL_HANDSHAKE,
  step,
  XenbusState,
} from "./machine.js";

export interface DevicePaths {
  /** For example /local/domain/5/device/vbd/51712. */
  readonly frontend: string;
  /** For example /local/domain/0/backend/vbd/5/51712. */
  readonly backend: string;
}

export class XenbusDevice {
  #state: HandshakeState = INITIAL_HANDSHAKE;
  #endWatch: () => void = () => {};

  constructor(
    private readonly store: LocalStore,
    private readonly paths: DevicePaths,
    private readonly io: BackendIo,
    private readonly backend: Backend,
    /** Called when both ends have closed and the keys are gone. */
    private readonly onRemoved: () => void = () => {},
  ) {}

  get state(): HandshakeState {
    return this.#state;
  }

  /** Writes the keys that both ends need and begins. `keys` are what the kind of device adds to either. */
  start(keys: { readonly frontend: Record<string, string>; readonly backend: Record<string, string> }): void {
    const { frontend, backend } = this.paths;
    const { domid } = this.io;
    this.store.transact((transaction) => {
      const write = (path: string, values: Record<string, string>) => {
        for (const [key, value] of Object.entries(values)) transaction.write(`${path}/${key}`, value);
      };
      write(backend, { frontend, "frontend-id": String(domid), online: "1", state: "1", ...keys.backend });
      transaction.mkdir(frontend);
      transaction.setPermissions(frontend, [
        { domid, access: "n" },
        { domid: 0, access: "r" },
      ]);
      transaction.setPermissions(backend, [
        { domid: 0, access: "n" },
        { domid, access: "r" },
      ]);
      write(frontend, { backend, "backend-id": "0", state: "1", ...keys.frontend });
      this.#shareKeys(transaction);
    });
    this.#apply({ kind: "start" });
    this.#endWatch = this.store.watch(`${frontend}/state`, () => this.#onFrontendState());
  }

  /** Takes the device away; the guest is asked first. */
  remove(): void {
    this.store.write(`${this.paths.backend}/online`, "0");
    this.#apply({ kind: "offline" });
  }

  /** Ends all work without a word to the guest, which is gone or is not asked; keys are the caller's to remove. */
  close(): void {
    this.#endWatch();
    if (this.#state.connected) this.backend.disconnect();
    this.#state = { ...this.#state, own: XenbusState.CLOSED, connected: false };
  }

  /** Says our state again, so that a connected front end reads what may have changed: a disk's size, for one. */
  announce(): void {
    if (this.#state.own === XenbusState.CONNECTED)
      this.store.write(`${this.paths.backend}/state`, String(this.#state.own));
  }

  /** The guest is gone, or its device is broken beyond repair. */
  fail(why: string): void {
    this.io.log(why);
    this.store.write(`${this.paths.backend}/error`, why);
    this.#apply({ kind: "failed" });
  }

  #shareKeys(transaction: Parameters<Parameters<LocalStore["transact"]>[0]>[0]): void {
    const share = (path: string, owner: number, reader: number) => {
      for (const key of transaction.list(path)) {
        transaction.setPermissions(`${path}/${key}`, [
          { domid: owner, access: "n" },
          { domid: reader, access: "r" },
        ]);
      }
    };
    share(this.paths.frontend, this.io.domid, 0);
    share(this.paths.backend, 0, this.io.domid);
  }

  #onFrontendState(): void {
    const value = this.store.read(`${this.paths.frontend}/state`);
    const state = value !== null && /^\d{1,2}$/.test(value) ? Number(value) : 0;
    this.#apply({ kind: "frontend", state });
  }

  #apply(event: HandshakeEvent): void {
    const [next, effects] = step(this.#state, event);
    this.#state = next;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: HandshakeEffect): void {
    switch (effect.kind) {
      case "negotiate":
        this.#orFail("negotiate");
        return;
      case "connect":
        if (this.#orFail("connect")) this.#apply({ kind: "connected" });
        return;
      case "disconnect":
        this.backend.disconnect();
        return;
      case "set-state":
        this.store.write(`${this.paths.backend}/state`, String(effect.state));
        return;
      case "remove":
        this.#endWatch();
        this.store.remove(this.paths.backend);
        this.store.remove(this.paths.frontend);
        this.onRemoved();
        return;
    }
  }

  #orFail(what: "negotiate" | "connect"): boolean {
    const result = this.backend[what](this.io);
    if (!result.ok) this.fail(`${this.paths.backend}: ${what}: ${result.error.message}`);
    return result.ok;
  }
}
