/** `xl run` over a host that the test plays: ends, restarts, status of commands, statistics. */
import { EventEmitter } from "node:events";
import { describe, expect, it, test, vi } from "vitest";
import {
  type ConsoleSession,
  type DomainConfig,
  type DomainInfo,
  type DomId,
  type HostApi,
  HostError,
  type HostEvent,
} from "../../../api/index.js";
import type { DomainPlan } from "../../config/index.js";
import { Terminal } from "../../terminal.js";
import { ExecOutput, withCommand } from "./exec.js";
import type { Ending } from "./lineage.js";
import { type RunRequest, runGuests } from "./session.js";
import { statusOf, statusOfAll } from "./status.js";

const text = (data: Uint8Array) => Buffer.from(data).toString("latin1");

describe("the exit status", () => {
  test.each<[Ending, number]>([
    [{ reason: "poweroff" }, 0],
    [{ reason: "reboot" }, 0],
    [{ reason: "suspend" }, 0],
    [{ reason: "crash" }, 3],
    [{ reason: "watchdog" }, 3],
    [{ reason: "exit", exitStatus: 33 }, 33],
    [{ reason: "exit", exitStatus: 0x1ff }, 0xff],
    [{ reason: "reboot", restartFailed: true }, 2],
  ])("%j", (ending, status) => expect(statusOf(ending)).toBe(status));

  it("of several guests is the first that is not 0", () => {
    expect(statusOfAll([{ reason: "poweroff" }, { reason: "exit", exitStatus: 5 }, { reason: "crash" }])).toBe(5);
    expect(statusOfAll([{ reason: "poweroff" }])).toBe(0);
  });
});

describe("a command's status in the guest's output", () => {
  const through = (plain: boolean, ...parts: string[]) => {
    const output = new ExecOutput(plain);
    const shown = parts.map((part) => text(output.push(Buffer.from(part, "latin1")))).join("") + text(output.end());
    return { shown, status: output.status };
  };

  test.each<[boolean, string[], string, number | null]>([
    [false, ["hello\r\nxl.exec: exit status 7\r\n"], "hello\r\n", 7],
    [true, ["hello\r\nxl.exec: exit status 0\r\n"], "hello\n", 0],
    [true, ["no newlinexl.exec: exit status 12\r\n"], "no newline", 12],
    [true, [..."a\r\nxl.exec: exit status 255\r\n"], "a\n", 255],
    [true, ["xl.exec: something else\n"], "xl.exec: something else\n", null],
    [true, ["xl.ex", "treme"], "xl.extreme", null],
    [true, ["cut xl.exec: exit sta"], "cut xl.exec: exit sta", null],
    [true, ["a\r", "\nb\r", "c"], "a\nb\rc", null],
    [true, ["xl.exec: exit status 1", "\r", "\n", "Power down\r\n"], "Power down\n", 1],
  ])("%j %j", (plain, parts, shown, status) => expect(through(plain, ...parts)).toEqual({ shown, status }));

  it("the command goes to the guest in base64, and the kernel keeps quiet", () => {
    const plan = { settings: { cmdline: "console=hvc0 earlyprintk=xen quiet" } } as unknown as DomainPlan;
    expect(withCommand(plan, 'echo "a b"').settings.cmdline).toBe(
      `console=hvc0 quiet loglevel=0 xl.run=${Buffer.from('echo "a b"\n').toString("base64")}`,
    );
    expect(() => withCommand(plan, "x".repeat(2000))).toThrow(
      /too long for a kernel's command line: at most about 1\d\d\d/,
    );
  });
});

/** A host with guests that do what the test says. */
class PlayedHost extends EventEmitter {
  readonly domains = new Map<DomId, { name: string; ended: PromiseWithResolvers }>();
  readonly readers = new Map<DomId, (data: Uint8Array) => void>();
  readonly typed: string[] = [];
  readonly log: string[] = [];
  closed = false;
  #next = 1;

  add(name: string, restartOf?: DomId): DomId {
    const domid = this.#next++ as DomId;
    this.domains.set(domid, { name, ended: withResolvers() });
    const event: HostEvent = { kind: "domain-created", domid, ...(restartOf === undefined ? {} : { restartOf }) };
    this.emit("event", event);
    return domid;
  }

  end(domid: DomId, ending: Ending): void {
    this.emit("event", { kind: "domain-shutdown", domid, ...ending });
    this.domains.get(domid)!.ended.resolve(ending);
  }

  destroy(domid: DomId): void {
    this.domains.delete(domid);
    this.emit("event", { kind: "domain-destroyed", domid });
  }

  readonly api = {
    create: async (config: DomainConfig) => this.add(config.name),
    unpause: async (domid: DomId) => void this.log.push(`unpause ${domid}`),
    destroy: async (domid: DomId) => this.destroy(domid),
    waitShutdown: (domid: DomId) => this.domains.get(domid)!.ended.promise,
    domain: async (domid: DomId): Promise<DomainInfo> => {
      const domain = this.domains.get(domid);
      if (!domain) throw new HostError("no-such-domain", "gone");
      return { domid, name: domain.name, cpuSeconds: 0.25, instructions: 1000, populatedKiB: 64 } as DomainInfo;
    },
    list: async () => [...this.domains].map(([domid, { name }]) => ({ domid, name }) as DomainInfo),
    info: async () => ({
      pcpus: 1,
      usedKiB: 8,
      totalKiB: 4096,
      wasmMemoryBytes: 65536,
      deterministic: false,
      cpuSource: "thread",
    }),
    dmesg: async () => "[0] d1: triple fault\n",
    subscribe: async (listener: (event: HostEvent) => void) => {
      this.on("event", listener);
      return () => this.off("event", listener);
    },
    attachConsole: async (domid: DomId, _: string, onData: (data: Uint8Array) => void): Promise<ConsoleSession> => {
      this.readers.set(domid, onData);
      return {
        write: (data) => void this.typed.push(text(data)),
        resize: () => undefined,
        detach: () => this.readers.delete(domid),
      };
    },
    close: async () => {
      this.closed = true;
    },
  } as unknown as HostApi;
}

interface PromiseWithResolvers {
  readonly promise: Promise<Ending>;
  resolve(value: Ending): void;
}

function withResolvers(): PromiseWithResolvers {
  let resolve = (_: Ending): void => {};
  const promise = new Promise<Ending>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function start(names: string[], changes: Partial<RunRequest> = {}, config: Partial<DomainConfig> = {}) {
  const host = new PlayedHost();
  const guests = names.map((name) => ({ name, kernel: new Uint8Array(1), memoryMiB: 4, vcpus: 1, ...config }));
  const input = Object.assign(new EventEmitter(), { resume: () => input, pause: () => input });
  const shown: string[] = [];
  const output = Object.assign(new EventEmitter(), {
    write: (data: Uint8Array, done: () => void) => {
      shown.push(text(data));
      done();
      return true;
    },
  });
  const said: string[] = [];
  vi.spyOn(process.stderr, "write").mockImplementation((line) => said.push(String(line)) > 0);
  const request: RunRequest = {
    host: host.api,
    guests,
    consoleIndex: 0,
    consoleKind: "pv",
    exec: null,
    timeoutMs: null,
    statsFile: null,
    ...changes,
  };
  const done = runGuests(request, new Terminal(input, output, new EventEmitter())).finally(() => vi.restoreAllMocks());
  return { host, input, shown, said, done };
}

const started = (host: PlayedHost, count: number) => expect.poll(() => host.log.length).toBe(count);

describe("a run", () => {
  it("shows one console, forwards the input, and ends with all guests", async () => {
    const { host, input, shown, said, done } = start(["a", "b"], { consoleIndex: 1 });
    await started(host, 2);
    host.readers.get(2 as DomId)!(Buffer.from("hello"));
    input.emit("data", Buffer.from("ls\n"));
    host.end(2 as DomId, { reason: "poweroff" });
    host.end(1 as DomId, { reason: "poweroff" });
    expect(await done).toBe(0);
    expect({ shown, typed: host.typed, closed: host.closed, said }).toEqual({
      shown: ["hello"],
      typed: ["ls\n"],
      closed: true,
      said: [],
    });
  });

  it("a crash is status 3 and comes with the hypervisor's log", async () => {
    const { host, said, done } = start(["a"]);
    await started(host, 1);
    host.end(1 as DomId, { reason: "crash" });
    expect(await done).toBe(3);
    expect(said).toEqual(['xl: guest "a" crashed\n', "xl: dmesg: [0] d1: triple fault\n"]);
  });

  it("goes on with the successor of a guest that reboots", async () => {
    const { host, done } = start(["a"], {}, { onReboot: "restart" });
    await started(host, 1);
    host.end(1 as DomId, { reason: "reboot" });
    await new Promise((resolve) => setTimeout(resolve, 10));
    host.destroy(1 as DomId);
    const next = host.add("a", 1 as DomId);
    await new Promise((resolve) => setTimeout(resolve, 10));
    host.end(next, { reason: "poweroff" });
    expect(await done).toBe(0);
  });

  it("a restart that fails is the host's failure", async () => {
    const { host, said, done } = start(["a"]);
    await started(host, 1);
    host.end(1 as DomId, { reason: "reboot" });
    await new Promise((resolve) => setTimeout(resolve, 10));
    host.destroy(1 as DomId);
    expect(await done).toBe(2);
    expect(said[0]).toBe('xl: guest "a" could not be restarted\n');
  });

  it("ends at the time limit with status 124 and writes statistics all the same", async () => {
    const file = `/tmp/xl-run-test-${process.pid}.json`;
    const { readFileSync, rmSync } = await import("node:fs");
    const { said, done } = start(["a"], { timeoutMs: 50, statsFile: file });
    expect(await done).toBe(124);
    expect(said).toEqual(["xl: timeout: the guests did not end in 0.05 s\n"]);
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({
      domains: [{ name: "a", reason: "timeout", restarts: 0, cpuMs: 250, instructions: 1000, populatedKiB: 64 }],
      machine: {
        pcpus: 1,
        cpuSource: "thread",
        framesUsed: 2,
        framesTotal: 1024,
        wasmMemoryBytes: 65536,
        rssBytes: expect.any(Number),
      },
    });
    rmSync(file);
  });

  it("ends with the command's status, or says that there was none", async () => {
    const run = async (output: string) => {
      const { host, done } = start(["a"], { exec: new ExecOutput(true) });
      await started(host, 1);
      host.readers.get(1 as DomId)!(Buffer.from(output));
      host.end(1 as DomId, { reason: "poweroff" });
      return done;
    };
    expect(await run("x\r\nxl.exec: exit status 5\r\n")).toBe(5);
    await expect(run("x\r\n")).rejects.toThrow("reported no status");
  });
});
