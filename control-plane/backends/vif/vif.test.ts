import { describe, expect, it } from "vitest";
import { unwrap } from "../../util/index.js";
import {
  ControlRequest,
  Extra,
  ExtraType,
  RxRequest,
  readControlRequest,
  readControlResponse,
  readExtra,
  readRxRequest,
  readRxResponse,
  readTxRequest,
  readTxResponse,
  TxRequest,
  writeControlRequest,
  writeControlResponse,
  writeExtra,
  writeRxRequest,
  writeRxResponse,
  writeTxRequest,
  writeTxResponse,
} from "./codec.js";
import { INITIAL_RX, INITIAL_TX, type RxState, stepRx, stepTx, type TxState } from "./machine.js";
import { LINUX_FEATURES, VifFront } from "./testing/front.js";

const viewOf = (bytes: number): DataView => new DataView(new ArrayBuffer(bytes));
const bytesOf = (view: DataView): number[] => [...new Uint8Array(view.buffer)];

describe("the codec", () => {
  it("reads what it writes", () => {
    const tx = Object.assign(new TxRequest(), { ref: 0x89abcdef, offset: 4095, flags: 15, id: 65535, size: 65534 });
    const txRead = new TxRequest();
    const slot = viewOf(12);
    writeTxRequest(slot, tx);
    readTxRequest(slot, txRead);
    expect(txRead).toEqual(tx);
    const rx = Object.assign(new RxRequest(), { id: 40000, ref: 0xfedcba98 });
    const rxRead = new RxRequest();
    writeRxRequest(slot, rx);
    readRxRequest(slot, rxRead);
    expect(rxRead).toEqual(rx);
    const control = Object.assign(new ControlRequest(), { id: 9, type: 3 });
    control.data.set([1, 0xffffffff, 3]);
    const controlRead = new ControlRequest();
    const wide = viewOf(16);
    writeControlRequest(wide, control);
    readControlRequest(wide, controlRead);
    expect(controlRead).toEqual(control);
    writeTxResponse(slot, 77, -1);
    expect(readTxResponse(slot)).toEqual({ id: 77, status: -1 });
    writeRxResponse(slot, 78, 5, 4096);
    expect(readRxResponse(slot)).toEqual({ id: 78, offset: 0, flags: 5, status: 4096 });
    writeControlResponse(wide, control, 2, 128);
    expect(readControlResponse(wide)).toEqual({ id: 9, type: 3, status: 2, data: 128 });
  });

  it.each([
    { type: ExtraType.GSO, gsoSize: 1448, gsoType: 2, more: true },
    { type: ExtraType.MCAST_ADD, address: 0x3333_0000_00fb },
    { type: ExtraType.MCAST_DEL, address: 0x0100_5e00_0001 },
    { type: ExtraType.HASH, hashType: 3, hash: 0xdeadbeef },
  ])("reads the extra information that it writes: $type", (fields) => {
    const [extra, read] = [Object.assign(new Extra(), fields), new Extra()];
    const slot = viewOf(8);
    writeExtra(slot, extra);
    readExtra(slot, read);
    expect(read).toMatchObject(fields);
  });

  it("lays fields out as Linux does", () => {
    const slot = viewOf(8);
    writeExtra(slot, Object.assign(new Extra(), { type: 1, gsoSize: 0x5a8, gsoType: 1, more: true }));
    expect(bytesOf(slot)).toEqual([1, 1, 0xa8, 5, 1, 0, 0, 0]);
    writeExtra(slot, Object.assign(new Extra(), { type: 2, address: 0x0102_0304_0506 }));
    expect(bytesOf(slot)).toEqual([2, 0, 1, 2, 3, 4, 5, 6]);
    writeExtra(slot, Object.assign(new Extra(), { type: 4, hashType: 1, hash: 0x0403_0201 }));
    expect(bytesOf(slot)).toEqual([4, 0, 1, 1, 1, 2, 3, 4]);
    const request = viewOf(12);
    writeTxRequest(request, { ref: 0x04030201, offset: 0x0605, flags: 0x0807, id: 0x0a09, size: 0x0c0b });
    expect(bytesOf(request)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });
});

describe("the order of a ring", () => {
  const tx = (waitsFor: TxState["waitsFor"], rest: Partial<TxState> = {}): TxState => ({
    ...INITIAL_TX,
    waitsFor,
    ...rest,
  });

  it.each([
    ["refused", tx("nothing"), "refused", tx("wire"), []],
    ["room again", tx("wire"), "resumed", tx("nothing"), ["look"]],
    ["room for others", tx("credit"), "resumed", tx("credit"), []],
    ["out of credit", tx("nothing"), "spent", tx("credit"), []],
    ["credit again", tx("credit"), "credited", tx("nothing"), ["look"]],
    ["credit while refused", tx("wire"), "credited", tx("wire"), []],
    ["paused", tx("nothing"), "pause", tx("nothing", { paused: true }), []],
    ["room while paused", tx("wire", { paused: true }), "resumed", tx("nothing", { paused: true }), []],
    ["goes on", tx("nothing", { paused: true }), "resume", tx("nothing"), ["look"]],
    ["goes on to wait", tx("wire", { paused: true }), "resume", tx("wire"), []],
    ["stopped", tx("wire"), "stop", tx("wire", { stopped: true }), []],
    ["room when it is stopped", tx("wire", { stopped: true }), "resumed", tx("nothing", { stopped: true }), []],
  ] as const)("of what is sent: %s", (_, state, event, next, effects) => {
    expect(stepTx(state, event)).toEqual([next, effects]);
  });

  const rx = (phase: RxState["phase"], rest: Partial<RxState> = {}): RxState => ({ ...INITIAL_RX, phase, ...rest });

  it.each([
    ["too few buffers", rx("ready"), "short", rx("short"), ["start-timer"]],
    ["still too few", rx("short"), "short", rx("short"), []],
    ["buffers", rx("short"), "buffers", rx("ready"), ["stop-timer", "room"]],
    ["too few for too long", rx("short"), "expired", rx("stalled"), ["room"]],
    ["buffers after all", rx("stalled"), "buffers", rx("ready"), []],
    ["paused", rx("short"), "pause", rx("short", { paused: true }), []],
    ["goes on", rx("ready", { paused: true }), "resume", rx("ready"), ["room"]],
    ["was not paused", rx("ready"), "resume", rx("ready"), []],
    ["stopped", rx("short"), "stop", rx("short", { stopped: true }), ["stop-timer"]],
  ] as const)("of what is received: %s", (_, state, event, next, effects) => {
    expect(stepRx(state, event)).toEqual([next, effects]);
  });
});

describe("an interface", () => {
  it("says what it can do before the front end connects", () => {
    const front = new VifFront(undefined, { mostQueues: 4, mtu: 9000 });
    const keys = ["state", "mac", "handle", "mtu", "multi-queue-max-queues", "hotplug-status", "feature-xdp-headroom"];
    expect(keys.map((key) => front.key(key))).toEqual(["2", "00:16:3e:00:00:05", "0", "9000", "4", "connected", "0"]);
    const features =
      "rx-copy sg gso-tcpv4 gso-tcpv6 ipv6-csum-offload split-event-channels ctrl-ring multicast-control";
    for (const feature of features.split(" ")) expect(front.key(`feature-${feature}`), feature).toBe("1");
    expect(front.key("feature-dynamic-multicast-control")).toBe("1");
    expect(front.world.store.local.read(`${front.frontendPath}/mac`)).toBe("00:16:3e:00:00:05");
  });

  it.each([
    [1, true],
    [1, false],
    [4, true],
    [3, false],
  ])("connects with %i queues, channels apart: %s", (queues, split) => {
    const front = new VifFront(undefined, { queues, split });
    front.connect();
    expect([front.key("state"), front.key("error"), front.backend.stats().queues]).toEqual(["4", null, queues]);
    expect([front.world.core.mappedGrants, front.station.name]).toEqual([2 * queues, "vif5.0"]);
  });

  it("is plugged in while a front end is there, which may come back", () => {
    const front = new VifFront(undefined, { control: true });
    front.connect();
    front.write("state", "5");
    front.write("state", "6");
    expect([front.wire.events, front.world.core.mappedGrants, front.key("state")]).toEqual([["unplug"], 0, "6"]);
    front.write("state", "1");
    front.connect();
    front.send(new Uint8Array(60));
    expect([front.key("state"), front.wire.frames.length, front.answers().length]).toEqual(["4", 1, 1]);
  });

  it("needs no keys but those of the rings and of receiving by copy", () => {
    const front = new VifFront(undefined, { features: { "request-rx-copy": "1" }, split: false });
    front.connect();
    expect(front.key("state")).toBe("4");
  });

  it("keeps its counters and what was said once across save and restore", () => {
    const first = new VifFront(undefined, { features: { ...LINUX_FEATURES, "request-multicast-control": "1" } });
    first.connect();
    first.send(new Uint8Array(60), { extras: [{ type: ExtraType.MCAST_ADD, address: 0x0100_5e00_0001 }] });
    first.send(new Uint8Array(60));
    const saved = JSON.parse(JSON.stringify(first.backend.save()));
    const second = new VifFront(undefined, { features: { ...LINUX_FEATURES, "request-multicast-control": "1" } });
    unwrap(second.backend.restore(saved));
    second.connect();
    expect(second.backend.save()).toEqual(first.backend.save());
    expect(second.backend.stats()).toMatchObject({ txFrames: 1, txBytes: 60, "queue0.txFrames": 1 });
    second.write("state", "6");
    second.write("state", "1");
    second.connect();
    expect(second.backend.save().groups).toEqual([]);
    expect(second.backend.restore({ ...saved, version: 99 })).toMatchObject({ ok: false });
  });
});
