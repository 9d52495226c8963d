import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, SeededRandom } from "../../util/index.js";
import { Switch } from "../switch/index.js";
import { BROADCAST, frame, ip, ManualTime, mac, packetOf, TestStation, tcp } from "../switch/testing/lab.js";
import type { Capture, CaptureOptions } from "./index.js";

/** Wednesday, 2 September 2026 12:00:00 UTC. */
const EPOCH_MS = 1788350400_000;

function lab(count = 2) {
  const time = new ManualTime();
  const sw = new Switch({ name: "xenbr0", clock: time, timer: time.timer, random: new SeededRandom(3) });
  const stations = Array.from({ length: count }, (_, i) => new TestStation(`vif${i + 1}.0`));
  const ports = stations.map((station, i) => sw.plug(station, { mac: `00:16:3e:00:00:0${i}` }));
  const send = (from: number, to: readonly number[], bytes: { type?: number; payload?: number[] } = {}): boolean => {
    const taken = ports[from]!.send(packetOf(frame({ to, from: mac(from), ...bytes })));
    ports[from]!.settle();
    return taken;
  };
  return { time, sw, stations, ports, send };
}

/** A listener that keeps what it gets. */
function file() {
  const chunks: Uint8Array[] = [];
  return { chunks, listener: (bytes: Uint8Array) => chunks.push(bytes) > 0, bytes: () => concatBytes(chunks) };
}

const segment = (data: number[]) =>
  ip({ source: [10, 0, 2, 15], destination: [10, 0, 2, 2], protocol: 6, payload: tcp(40000, 80, data) });

/** tcpdump's words for a file; it fails where the file is not well-formed. */
function tcpdump(bytes: Uint8Array, ...args: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "xenolith-capture-"));
  try {
    const path = join(folder, "frames.pcapng");
    writeFileSync(path, bytes);
    const { stdout, stderr, status } = spawnSync("tcpdump", ["-n", "-r", path, ...args], { encoding: "utf8" });
    expect(stderr.replace(/^reading from file .*\n/, "")).toBe("");
    expect(status).toBe(0);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("against tcpdump", () => {
  it("a recording of a switch has every frame once, whole, at its time", () => {
    const { time, sw, send } = lab(3);
    const { listener, bytes } = file();
    const capture = sw.tap(listener, { epochMs: EPOCH_MS + 0.5 });
    send(0, mac(1), segment([1, 2, 3]));
    time.pass(0.000_123);
    send(2, BROADCAST, segment(new Array<number>(60_000).fill(7)));
    time.pass(86_400_000);
    send(1, mac(0), { type: 0x88b5, payload: [1, 2, 3, 4] });
    capture.close();
    const lines = tcpdump(bytes(), "-tttt", "-e", "--nano")
      .trim()
      .split("\n")
      .filter((line) => /^\d/.test(line));
    expect(lines.map((line) => line.replace(/,? ethertype.*?length (\d+): .*/, " $1"))).toEqual([
      "2026-09-02 12:00:00.000000000 00:16:3e:00:00:00 > 00:16:3e:00:00:01 57",
      "2026-09-02 12:00:00.000000123 00:16:3e:00:00:02 > ff:ff:ff:ff:ff:ff 60054",
      "2026-09-03 12:00:00.000000123 00:16:3e:00:00:01 > 00:16:3e:00:00:00 18",
    ]);
  });

  it("a recording of a port has what its station sent and got, and what is read is what went by", () => {
    const { sw, ports, send, stations } = lab(3);
    const { listener, bytes } = file();
    const capture = ports[1]!.tap(listener);
    stations[1]!.onReceive = () => {
      stations[1]!.onReceive = null;
      send(1, mac(2), segment([9]));
    };
    send(0, mac(1), segment([1, 2, 3]));
    send(0, mac(2), segment([4]));
    send(2, mac(0), segment([5]));
    expect(sw.ports.map((port) => port.taps.length)).toEqual([0, 1, 0]);
    capture.close();
    expect(sw.ports.map((port) => port.taps.length)).toEqual([0, 0, 0]);
    const hex = tcpdump(bytes(), "-xx", "-t")
      .split(/\n(?=IP)/)
      .map((p) => [...p.matchAll(/0x\w+: {2}([\w ]+)/g)].map((m) => m[1]!.replaceAll(" ", "")).join(""));
    const expected = [
      frame({ to: mac(1), from: mac(0), ...segment([1, 2, 3]) }),
      frame({ to: mac(2), from: mac(1), ...segment([9]) }),
    ];
    expect(hex).toEqual(expected.map((b) => Buffer.from(b).toString("hex")));
  });

  it("a short snapshot says how long the frame was", () => {
    const { ports, send } = lab();
    const { listener, bytes } = file();
    const capture = ports[0]!.tap(listener, { snaplen: 60 });
    send(0, mac(1), segment(new Array<number>(1000).fill(1)));
    capture.close();
    expect(tcpdump(bytes(), "-e")).toMatch(/, length 1054: /);
    expect(bytes().length).toBeLessThan(600);
  });

  it("any frames at all are a file that is read to its end", () => {
    const payload = fc.uint8Array({ maxLength: 400 });
    fc.assert(
      fc.property(fc.array(payload, { maxLength: 20 }), fc.integer({ min: 1, max: 500 }), (payloads, snaplen) => {
        const { sw, send } = lab();
        const { listener, bytes } = file();
        const capture = sw.tap(listener, { snaplen });
        for (const p of payloads) send(0, BROADCAST, { payload: [...p] });
        capture.close();
        expect(tcpdump(bytes(), "--count")).toMatch(new RegExp(`^${payloads.length} packet`));
      }),
      { numRuns: 10 },
    );
  });
});

/** Just enough of a reader for what tcpdump does not print: options. */
function options(bytes: Uint8Array): { type: number; options: Map<number, Uint8Array> }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const blocks: { type: number; options: Map<number, Uint8Array> }[] = [];
  for (let at = 0; at < bytes.length; at += view.getUint32(at + 4, true)) {
    const type = view.getUint32(at, true);
    const end = at + view.getUint32(at + 4, true) - 4;
    const fixed = ({ 1: 16, 5: 20, 6: 28 } as Record<number, number>)[type] ?? 24;
    let o = at + fixed + (type === 6 ? (view.getUint32(at + 20, true) + 3) & ~3 : 0);
    const found = new Map<number, Uint8Array>();
    while (o < end && view.getUint16(o, true) !== 0) {
      const length = view.getUint16(o + 2, true);
      found.set(view.getUint16(o, true), bytes.subarray(o + 4, o + 4 + length));
      o += 4 + ((length + 3) & ~3);
    }
    blocks.push({ type, options: found });
  }
  return blocks;
}
const number = (bytes: Uint8Array | undefined): number =>
  (bytes ?? new Uint8Array(0)).reduce((sum, byte, i) => sum + byte * 256 ** i, 0);

describe("a recording", () => {
  const record = (settings: CaptureOptions = {}) => {
    const parts = lab();
    const kept: Uint8Array[] = [];
    const state = { takes: true };
    const capture: Capture = parts.ports[0]!.tap((bytes) => {
      kept.push(bytes);
      return state.takes;
    }, settings);
    return { ...parts, kept, state, capture };
  };

  it("names its interfaces, and says which way each frame went", () => {
    const { send, capture, kept } = record();
    send(0, mac(1));
    send(1, mac(0));
    capture.close();
    const blocks = options(concatBytes(kept));
    expect(blocks.map((b) => b.type)).toEqual([0x0a0d0d0a, 1, 6, 6, 5]);
    expect(new TextDecoder().decode(blocks[1]!.options.get(2))).toBe("vif1.0");
    expect([...blocks[1]!.options.get(6)!]).toEqual(mac(0));
    expect(blocks.slice(2, 4).map((b) => number(b.options.get(2)))).toEqual([1, 2]);
    expect(number(blocks[4]!.options.get(4))).toBe(2);
  });

  it("gives bytes a moment after they came, or when there are many", () => {
    const { send, time, kept } = record();
    send(0, mac(1));
    expect(kept.length).toBe(0);
    time.pass(100);
    expect(kept.length).toBe(1);
    for (let n = 0; n < 100; n++) send(0, mac(1), segment(new Array<number>(2000).fill(1)));
    expect(kept.length).toBe(4);
    time.pass(5000);
    expect(time.timers).toBe(0);
  });

  it("leaves out what a slow listener has no buffer for, and says how much", () => {
    const { send, time, kept, state, capture } = record({ bufferBytes: 10_000 });
    state.takes = false;
    time.pass(100);
    for (let n = 0; n < 20; n++) send(0, mac(1), segment(new Array<number>(1000).fill(1)));
    time.pass(1000);
    expect(kept.length).toBe(1);
    expect(capture.stats()).toMatchObject({ frames: 8, drops: 12 });
    state.takes = true;
    capture.resume();
    send(0, mac(1));
    capture.close();
    const blocks = options(concatBytes(kept));
    expect(blocks.filter((b) => b.type === 6).map((b) => number(b.options.get(4)))).toEqual([
      0, 0, 0, 0, 0, 0, 0, 0, 12,
    ]);
    expect([4, 5].map((o) => number(blocks.at(-1)!.options.get(o)))).toEqual([21, 12]);
  });

  it("has a frame that was refused once, when it is sent", () => {
    const { send, capture, stations, ports, kept } = record();
    stations[1]!.space = 0;
    for (let n = 0; n < 3; n++) expect(send(0, mac(1))).toBe(false);
    stations[1]!.space = 1;
    ports[1]!.room();
    expect(send(0, mac(1))).toBe(true);
    capture.close();
    expect(options(concatBytes(kept)).filter((b) => b.type === 6).length).toBe(1);
    expect(capture.stats().frames).toBe(1);
  });

  it("of a switch goes on with ports that come and go", () => {
    const { sw, ports, send } = lab(2);
    const { listener, bytes } = file();
    const capture = sw.tap(listener);
    send(0, mac(1));
    ports[1]!.unplug();
    const late = sw.plug(new TestStation("late"), { mac: "00:16:3e:00:00:09" });
    late.send(packetOf(frame({ to: mac(0), from: mac(9) })));
    capture.close();
    capture.close();
    late.send(packetOf(frame({ to: mac(0), from: mac(9) })));
    const blocks = options(bytes());
    expect(blocks.filter((b) => b.type === 1).map((b) => new TextDecoder().decode(b.options.get(2)))).toEqual([
      "vif1.0",
      "vif2.0",
      "late",
    ]);
    expect(blocks.filter((b) => b.type === 6).length).toBe(2);
  });

  it("tells once that it is over, whoever has ended it", () => {
    const ends: boolean[] = [];
    const { sw, capture } = record({ ended: (isWhole) => ends.push(isWhole) });
    const { listener } = file();
    const second = sw.tap(listener, { ended: (isWhole) => ends.push(isWhole) });
    expect(ends).toEqual([]);
    for (let n = 0; n < 2; n++) capture.close();
    expect(ends).toEqual([true]);
    second.close();
    expect(ends).toEqual([true, true]);
  });

  it("whose listener throws is over: frames go on, and it is given no more", () => {
    const { sw, send, stations, time } = lab();
    for (const tapped of [sw, ...sw.ports]) {
      const ends: boolean[] = [];
      let calls = 0;
      const listener = (): boolean => {
        calls++;
        throw new Error("the disk is full");
      };
      const capture = tapped.tap(listener, { ended: (isWhole) => ends.push(isWhole) });
      const before = stations[1]!.received.length;
      for (let n = 0; n < 100; n++) expect(send(0, mac(1), segment(new Array<number>(2000).fill(1)))).toBe(true);
      expect(stations[1]!.received.length).toBe(before + 100);
      expect([calls, ends, sw.ports.map((port) => port.taps.length), time.timers]).toEqual([1, [false], [0, 0], 0]);
      capture.resume();
      capture.close();
      expect([calls, ends]).toEqual([1, [false]]);
    }
  });

  it("whose listener throws at its end, or a moment after a frame, is over as well", () => {
    for (const isEnd of [true, false]) {
      const { sw, send, time } = lab();
      const ends: boolean[] = [];
      const throwing = (): boolean => {
        throw new Error("nobody is there");
      };
      const capture = sw.tap(throwing, { ended: (isWhole) => ends.push(isWhole) });
      send(0, mac(1));
      if (isEnd) capture.close();
      else time.pass(100);
      expect([ends, sw.ports.map((port) => port.taps.length), time.timers]).toEqual([[false], [0, 0], 0]);
    }
  });

  it("that its listener ends in the middle has nothing behind its end", () => {
    const { sw, send, time } = lab();
    const { chunks, bytes } = file();
    const capture: Capture = sw.tap((piece) => {
      chunks.push(piece);
      capture.close();
      return true;
    });
    for (let n = 0; n < 100; n++) send(0, mac(1), segment(new Array<number>(2000).fill(1)));
    capture.resume();
    const types = options(bytes()).map((b) => b.type);
    expect([types.indexOf(5), types.lastIndexOf(5), time.timers]).toEqual([types.length - 2, types.length - 1, 0]);
  });
});
