import { describe, expect, it } from "vitest";
import { PlatformState } from "../../../wasm-core/abi/structs/platform.js";
import { MachineMemory } from "../../core-link/index.js";
import { byteString, bytesOf } from "../../util/index.js";
import { inputRing, outputRing } from "./codec.js";
import { ConsoleBackend } from "./device.js";
import { HIGH_WATER, INITIAL_FLOW, LOW_WATER, step } from "./machine.js";
import { restoreConsole, saveConsole } from "./saved.js";
import { Scrollback } from "./scrollback.js";
import { SerialConsole } from "./serial.js";
import { ConsoleStream } from "./stream.js";

const PAGE = 8192;

function makeRig() {
  const memory = new MachineMemory({ buffer: new SharedArrayBuffer(65536), grow: () => 1 });
  const stream = new ConsoleStream();
  const rig = { memory, stream, notified: 0, lines: [] as string[], seen: "" };
  const io = {
    memory,
    page: PAGE,
    notify: () => void rig.notified++,
    log: (line: string) => void rig.lines.push(line),
  };
  const backend = new ConsoleBackend(io, stream);
  stream.attach((data) => {
    rig.seen += byteString(data);
  });
  return { ...rig, rig, backend, guestOut: outputRing(memory, PAGE), guestIn: inputRing(memory, PAGE) };
}

describe("the PV console", () => {
  it("moves output across the end of the ring and of the index range", () => {
    const { memory, backend, guestOut, rig } = makeRig();
    memory.store32(PAGE + 3080, 0xfffffff0);
    memory.store32(PAGE + 3084, 0xfffffff0);
    let expected = "";
    for (let line = 0; line < 100; line++) {
      const words = `line ${line} ${"x".repeat(line)}\n`;
      expected += words;
      expect(guestOut.write(bytesOf(words))).toBe(words.length);
      backend.serve();
    }
    expect(rig.seen).toBe(expected);
    expect(rig.notified).toBe(100);
  });

  it("feeds input as the guest makes room", () => {
    const { stream, backend, guestIn } = makeRig();
    const pasted = "0123456789".repeat(300);
    stream.input(bytesOf(pasted));
    let typed = "";
    for (let turn = 0; turn < 4; turn++) {
      typed += byteString(guestIn.read(1024)!);
      backend.serve();
    }
    expect(typed).toBe(pasted);
  });

  it("stops at impossible indices and says so once", () => {
    const { memory, backend, rig } = makeRig();
    memory.store32(PAGE + 3084, 99999);
    backend.serve();
    backend.serve();
    expect(backend.phase).toBe("broken");
    expect(rig.lines).toHaveLength(1);
  });

  it("stops taking output while a reader is behind, and goes on when it has caught up", async () => {
    const { stream, backend, guestOut } = makeRig();
    const acknowledge: (() => void)[] = [];
    stream.attach(() => new Promise((resolve) => acknowledge.push(resolve)));
    const line = new Uint8Array(2048);
    let taken = 0;
    while (guestOut.write(line) === line.length && taken < 4 * HIGH_WATER) {
      backend.serve();
      taken += line.length;
    }
    // One more line fits into the ring, where it stays.
    expect(taken).toBe(HIGH_WATER + line.length);
    expect(stream.accepting).toBe(false);
    for (const resolve of acknowledge.splice(0)) resolve();
    await Promise.resolve();
    await Promise.resolve();
    expect(stream.accepting).toBe(true);
    expect(guestOut.used()).toBe(0);
  });
});

describe("console flow", () => {
  it.each([
    ["open", { kind: "in-flight", bytes: HIGH_WATER - 1 }, "open", []],
    ["open", { kind: "in-flight", bytes: HIGH_WATER }, "stalled", []],
    ["stalled", { kind: "in-flight", bytes: LOW_WATER + 1 }, "stalled", []],
    ["stalled", { kind: "in-flight", bytes: LOW_WATER }, "open", ["resume"]],
    ["open", { kind: "broken" }, "broken", ["report-broken"]],
    ["broken", { kind: "broken" }, "broken", []],
    ["broken", { kind: "in-flight", bytes: 0 }, "broken", []],
    ["stalled", { kind: "closed" }, "closed", []],
    ["closed", { kind: "broken" }, "closed", []],
  ] as const)("%s, %o: %s", (phase, event, next, effects) => {
    expect(step({ ...INITIAL_FLOW, phase }, event)).toMatchObject([{ phase: next }, effects]);
  });
});

describe("scrollback", () => {
  it("keeps the last bytes", () => {
    const scrollback = new Scrollback(10);
    for (const words of ["abc", "defgh", "", "ijklmno"]) scrollback.add(bytesOf(words));
    expect(byteString(scrollback.read())).toBe("fghijklmno");
    scrollback.add(bytesOf("0123456789ABCDEF"));
    expect(byteString(scrollback.read())).toBe("6789ABCDEF");
    expect(scrollback.total).toBe(31);
  });

  it("is given to who attaches late, and survives being saved", () => {
    const stream = new ConsoleStream();
    stream.output(bytesOf("hello"));
    const copy = new ConsoleStream();
    expect(restoreConsole(copy, saveConsole(stream)).ok).toBe(true);
    let seen = "";
    copy.attach((data) => {
      seen += byteString(data);
    });
    copy.output(bytesOf(" world"));
    expect(seen).toBe("hello world");
    expect(restoreConsole(copy, { ...saveConsole(stream), version: 2 }).ok).toBe(false);
  });
});

describe("the serial console", () => {
  it("moves bytes both ways and wakes the core", () => {
    const memory = new MachineMemory({ buffer: new SharedArrayBuffer(65536), grow: () => 1 });
    const stream = new ConsoleStream();
    let kicks = 0;
    const serial = new SerialConsole({ memory, platform: PAGE, kick: () => void kicks++ }, stream);
    memory.write(PAGE + PlatformState.off.serialOut, bytesOf("boot"));
    memory.store32(PAGE + PlatformState.off.serialOutProd, 4);
    serial.serve();
    expect(byteString(stream.scrollback())).toBe("boot");
    expect(memory.load32(PAGE + PlatformState.off.serialOutCons)).toBe(4);
    stream.input(bytesOf("x"));
    expect(memory.load32(PAGE + PlatformState.off.serialInProd)).toBe(1);
    expect(kicks).toBe(2);
  });
});
