import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { Terminal } from "./terminal.js";

class Input extends EventEmitter {
  raw = false;
  flowing = false;

  constructor(readonly isTTY = true) {
    super();
  }

  setRawMode(raw: boolean) {
    this.raw = raw;
  }

  resume() {
    this.flowing = true;
  }

  pause() {
    this.flowing = false;
  }
}

class Output extends EventEmitter {
  columns = 80;
  rows = 24;
  readonly written: Uint8Array[] = [];

  write(data: Uint8Array, done: () => void) {
    this.written.push(data);
    setTimeout(done);
    return true;
  }
}

function rig(isTTY = true) {
  const input = new Input(isTTY);
  const output = new Output();
  const exits = new EventEmitter();
  const terminal = new Terminal(input, output, exits);
  const seen: unknown[] = [];
  const attach = () =>
    terminal.attach({
      onInput: (data) => seen.push(Buffer.from(data).toString()),
      onDetach: () => seen.push("detached"),
      onResize: (columns, rows) => seen.push([columns, rows]),
    });
  const clean = () => [input, output, exits].every((emitter) => emitter.eventNames().length === 0);
  return { input, output, exits, terminal, seen, attach, clean };
}

describe("a terminal", () => {
  it("is raw while attached and restored after", () => {
    const { input, terminal, attach, clean } = rig();
    attach();
    expect([input.raw, input.flowing]).toEqual([true, true]);
    terminal.restore();
    expect([input.raw, input.flowing, clean()]).toEqual([false, false, true]);
    terminal.restore();
    attach();
    expect(input.raw).toBe(true);
  });

  it("is restored when the process ends", () => {
    const { input, exits, attach, clean } = rig();
    attach();
    exits.emit("exit");
    expect([input.raw, clean()]).toEqual([false, true]);
  });

  it("passes keys on, Ctrl-C among them, and detaches at Ctrl-]", () => {
    const { input, seen, attach, clean } = rig();
    attach();
    input.emit("data", Buffer.from("ls\x03"));
    input.emit("data", Buffer.from("x\x1dy"));
    expect(seen).toEqual([[80, 24], "ls\x03", "x", "detached"]);
    expect([input.raw, clean()]).toEqual([false, true]);
  });

  it("tells its size when attached and when it changes", () => {
    const { output, seen, attach } = rig();
    attach();
    output.columns = 100;
    output.emit("resize");
    expect(seen).toEqual([
      [80, 24],
      [100, 24],
    ]);
  });

  it("a pipe is passed on as it is", () => {
    const { input, seen, attach } = rig(false);
    attach();
    input.emit("data", Buffer.from("a\x1db"));
    expect([input.raw, seen.slice(1)]).toEqual([false, ["a\x1db"]]);
  });

  it("output is acknowledged when the terminal has taken it", async () => {
    const { output, terminal } = rig();
    await terminal.write(new Uint8Array([65]));
    expect(output.written).toEqual([new Uint8Array([65])]);
  });
});
