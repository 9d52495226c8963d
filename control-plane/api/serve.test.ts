import { MessageChannel } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import { FakeCore } from "../core-link/fake.js";
import { Toolstack } from "../domain/index.js";
import { makeElf } from "../domain/testing/kernels.js";
import { StorageError } from "../storage/index.js";
import { byteString, bytesOf, LogRing, SeededRandom } from "../util/index.js";
import { connectClient } from "./client.js";
import { Host } from "./host.js";
import { serveHost } from "./serve.js";
import type { HostApi, HostEvent, LinkId } from "./types.js";

/** Domain0 over a fake core at one end of a port, a client at the other. */
function makeClient(): { host: HostApi; core: FakeCore; toolstack: Toolstack; fail: (error: Error) => void } {
  const core = new FakeCore();
  core.calls.machineInit(4096, 1, 0, 0, 0);
  const clock = { now: () => core.now };
  const log = new LogRing(clock);
  const later = (work: () => void) => void setTimeout(work);
  const openDisk = async (file: string) => {
    throw new StorageError("not-found", "there is no such image", { file, next: "look for it; twice" });
  };
  const toolstack = new Toolstack({ core, clock, random: new SeededRandom(1), log, coreSink: null, later, openDisk });
  const { port1, port2 } = new MessageChannel();
  const close = async () => port2.close();
  serveHost(new Host({ core, toolstack, log, clock, pcpus: 1, close }), port2 as unknown as MessagePort);
  let fail: (error: Error) => void = () => {};
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const port = port1 as unknown as MessagePort;
  return { host: connectClient({ port, failure, terminate: async () => {} }), core, toolstack, fail };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

describe("the API across a port", () => {
  let close: () => void = () => {};
  afterEach(() => close());

  function start() {
    const made = makeClient();
    close = () => void made.host.close();
    return made;
  }

  it("calls, returns data and keeps the codes of errors", async () => {
    const { host } = start();
    const domid = await host.create({ name: "guest", kernel: makeElf(), memoryMiB: 16, vcpus: 1 }, { paused: true });
    expect(await host.domain(domid)).toMatchObject({ name: "guest", state: "paused" });
    await expect(host.attachDisk(domid, { target: "a.vhd", vdev: "xvda" })).rejects.toMatchObject({
      code: "not-found",
      message: "xvda: a.vhd: there is no such image; look for it; twice",
      problem: "xvda: a.vhd: there is no such image",
      next: "look for it; twice",
    });
    await expect(host.resolve("nobody")).rejects.toMatchObject({ name: "HostError", code: "no-such-domain" });
    await expect(host.create({ name: "guest", kernel: makeElf(), memoryMiB: 16, vcpus: 1 })).rejects.toMatchObject({
      code: "name-taken",
    });
  });

  it("asks for links between networks, and says what to do where there are none", async () => {
    const { host } = start();
    await expect(host.joinNetwork("nat", { url: "ws://there/" })).rejects.toMatchObject({
      code: "bad-config",
      next: "join with a network of another name",
    });
    await expect(host.serveNetwork("lab", { port: 0 })).rejects.toMatchObject({ code: "unsupported" });
    await expect(host.leaveNetwork(1 as LinkId)).rejects.toMatchObject({ code: "not-found" });
  });

  it("carries callbacks, sessions and subscriptions, and ends them", async () => {
    const { host, toolstack } = start();
    const events: HostEvent[] = [];
    const endEvents = await host.subscribe((event) => events.push(event));
    const domid = await host.create({ name: "guest", kernel: makeElf(), memoryMiB: 16, vcpus: 1 });
    let seen = "";
    const session = await host.attachConsole(domid, "pv", (data) => {
      seen += byteString(data);
    });
    const stream = toolstack.registry.get(domid)!.consoles.pv;
    stream.output(bytesOf("hello"));
    await settle();
    expect(seen).toBe("hello");
    session.detach();
    await settle();
    stream.output(bytesOf(" nobody"));
    const paths: string[] = [];
    const endWatch = await host.xenstoreWatch("/test", (path) => paths.push(path));
    await host.xenstoreWrite("/test/a", "1");
    await settle();
    endWatch();
    endEvents();
    await settle();
    await host.xenstoreWrite("/test/b", "1");
    await host.pause(domid);
    await settle();
    expect(seen).toBe("hello");
    expect(paths).toEqual(["/test", "/test/a"]);
    expect(events.map(({ kind }) => kind)).toEqual(["domain-created"]);
  });

  it("streams a core dump in chunks, each acknowledged before the next", async () => {
    const { host } = start();
    const domid = await host.create({ name: "guest", kernel: makeElf(), memoryMiB: 16, vcpus: 1 });
    let bytes = 0;
    await host.dumpCore(domid, (chunk) => {
      bytes += chunk.length;
    });
    expect(bytes).toBeGreaterThan(400);
  });

  it("fails every waiting call when Domain0 has died", async () => {
    const { host, fail } = start();
    const domid = await host.create({ name: "guest", kernel: makeElf(), memoryMiB: 16, vcpus: 1 });
    const waiting = host.waitShutdown(domid);
    fail(new Error("worker gone"));
    await expect(waiting).rejects.toMatchObject({ code: "internal", message: "worker gone" });
  });
});
