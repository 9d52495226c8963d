import { beforeEach, describe, expect, it } from "vitest";
import type { Backend, BackendIo } from "../backends/backend.js";
import { MachineMemory } from "../core-link/index.js";
import { err, ok, type Result } from "../util/index.js";
import { XenstoreServer } from "../xenstore/index.js";
import { XenbusDevice } from "./index.js";
import { type HandshakeEffect, type HandshakeState, INITIAL_HANDSHAKE, XenbusState as S, step } from "./machine.js";

const FRONTEND = "/local/domain/5/device/vtest/0";
const BACKEND = "/local/domain/0/backend/vtest/5/0";

const show = (effect: HandshakeEffect): string => (effect.kind === "set-state" ? `state ${effect.state}` : effect.kind);

describe("the handshake machine", () => {
  const at = (own: number, connected = false, online = true): HandshakeState => ({ own, connected, online });

  it.each([
    ["a new device waits for its front end", INITIAL_HANDSHAKE, { kind: "start" }, 2, ["negotiate", "state 2"]],
    ["nothing before the front end begins", at(S.INITIALISING), { kind: "frontend", state: 0 }, 1, []],
    ["a disk's front end is initialised", at(S.INIT_WAIT), { kind: "frontend", state: 3 }, 2, ["connect"]],
    ["a network front end connects at once", at(S.INIT_WAIT), { kind: "frontend", state: 4 }, 2, ["connect"]],
    ["we have connected", at(S.INIT_WAIT), { kind: "connected" }, 4, ["state 4"]],
    ["the front end follows", at(S.CONNECTED, true), { kind: "frontend", state: 4 }, 4, []],
    ["its keys are no good", at(S.INIT_WAIT), { kind: "failed" }, 5, ["state 5"]],
    ["the front end closes", at(S.CONNECTED, true), { kind: "frontend", state: 5 }, 5, ["disconnect", "state 5"]],
    ["and has closed", at(S.CLOSING), { kind: "frontend", state: 6 }, 6, ["state 6"]],
    ["it vanishes", at(S.CONNECTED, true), { kind: "frontend", state: 0 }, 6, ["disconnect", "state 6"]],
    ["it comes back", at(S.CLOSED), { kind: "frontend", state: 1 }, 2, ["negotiate", "state 2"]],
    ["it may not come back", at(S.CLOSED, false, false), { kind: "frontend", state: 1 }, 6, []],
    ["taken away while connected", at(S.CONNECTED, true), { kind: "offline" }, 5, ["state 5"]],
    [
      "taken away, then closed",
      at(S.CLOSING, true, false),
      { kind: "frontend", state: 6 },
      6,
      ["disconnect", "state 6", "remove"],
    ],
    ["taken away when closed", at(S.CLOSED), { kind: "offline" }, 6, ["remove"]],
    ["a state of no meaning", at(S.CONNECTED, true), { kind: "frontend", state: 99 }, 4, []],
  ] as const)("%s", (_, state, event, own, effects) => {
    const [next, done] = step(state, event);
    expect(next.own).toBe(own);
    expect(done.map(show)).toEqual(effects);
  });
});

class FakeBackend implements Backend<null> {
  readonly calls: string[] = [];
  connectResult: Result<void> = ok(undefined);

  negotiate(io: BackendIo): Result<void> {
    this.calls.push("negotiate");
    io.writeBackend("feature-test", "1");
    return ok(undefined);
  }
  connect(io: BackendIo): Result<void> {
    this.calls.push(`connect ${io.readFrontend("ring-ref")}`);
    return this.connectResult;
  }
  onEvent(): void {}
  disconnect(): void {
    this.calls.push("disconnect");
  }
  async pause(): Promise<void> {}
  resume(): void {}
  save(): null {
    return null;
  }
  restore(): Result<void> {
    return ok(undefined);
  }
  stats(): Record<string, number> {
    return {};
  }
}

describe("a xenbus device", () => {
  let store: XenstoreServer;
  let backend: FakeBackend;
  let device: XenbusDevice;
  const guestWrites = (key: string, value: string) => store.local.write(`${FRONTEND}/${key}`, value);
  const ownState = () => store.local.read(`${BACKEND}/state`);

  beforeEach(() => {
    store = new XenstoreServer();
    backend = new FakeBackend();
    const io: BackendIo = {
      domid: 5,
      clock: { now: () => 0 },
      readFrontend: (key) => store.local.read(`${FRONTEND}/${key}`),
      watchFrontend: () => () => {},
      readBackend: (key) => store.local.read(`${BACKEND}/${key}`),
      writeBackend: (key, value) => void store.local.write(`${BACKEND}/${key}`, value),
      memory: new MachineMemory({ buffer: new SharedArrayBuffer(65536), grow: () => 1 }),
      mapGrant: () => err("denied", "no grants here"),
      mapPage: () => -1,
      unmapPage: () => {},
      bindChannel: () => err("denied", "no channels here"),
      later: () => {},
      announce: () => {},
      fail: () => {},
      log: () => {},
    };
    device = new XenbusDevice(store.local, { frontend: FRONTEND, backend: BACKEND }, io, backend);
    device.start({ frontend: { "virtual-device": "0" }, backend: { mode: "w" } });
  });

  it("connects, closes and reconnects as the front end asks", () => {
    expect([ownState(), store.local.read(`${BACKEND}/feature-test`)]).toEqual(["2", "1"]);
    guestWrites("ring-ref", "8");
    guestWrites("state", "3");
    expect([ownState(), backend.calls]).toEqual(["4", ["negotiate", "connect 8"]]);
    guestWrites("state", "4");
    guestWrites("state", "5");
    guestWrites("state", "6");
    expect(ownState()).toBe("6");
    guestWrites("state", "1");
    guestWrites("state", "4");
    expect(ownState()).toBe("4");
    expect(backend.calls).toEqual(["negotiate", "connect 8", "disconnect", "negotiate", "connect 8"]);
  });

  it("closes with the reason in its error key when the front end's keys are no good", () => {
    backend.connectResult = err("denied", "grant 8: bad reference");
    guestWrites("state", "4");
    expect([ownState(), store.local.read(`${BACKEND}/error`)]).toEqual([
      "5",
      `${BACKEND}: connect: grant 8: bad reference`,
    ]);
  });

  it("is removed once the front end has let go", () => {
    guestWrites("state", "4");
    device.remove();
    expect([ownState(), store.local.read(`${BACKEND}/online`)]).toEqual(["5", "0"]);
    guestWrites("state", "6");
    expect(store.local.list("/local/domain/0/backend/vtest/5")).toEqual([]);
    expect(backend.calls).toContain("disconnect");
  });

  it("gives the guest what it may write and shows it what it may read", () => {
    const seen: string[] = [];
    const guest = store.introduce(5, ({ payload }) => seen.push(payload.replaceAll("\0", "|")));
    guest.handle({ type: 11, requestId: 1, txId: 0, payload: `${FRONTEND}/state\x003` });
    guest.handle({ type: 2, requestId: 2, txId: 0, payload: `${BACKEND}/feature-test\0` });
    guest.handle({ type: 11, requestId: 3, txId: 0, payload: `${BACKEND}/state\x006` });
    expect(seen).toEqual(["OK|", "1", "EACCES|"]);
  });
});
