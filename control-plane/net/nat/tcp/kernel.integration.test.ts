/**
 * The engine against the TCP of the kernel that this runs on: another's reading of the same documents. It needs root, for a
 * TUN device in a network namespace.
 */
import { afterEach, describe, expect, it } from "vitest";
import { digestOf, KernelGuest, kernelIsMissing, pattern, Server, type Transfer } from "./testing/kernel.js";

const missing = kernelIsMissing();
const MIB = 1 << 20;
let guest: KernelGuest;

afterEach(() => guest?.close());

async function open(...options: ConstructorParameters<typeof KernelGuest>): Promise<KernelGuest> {
  guest = new KernelGuest(...options);
  await guest.isReady;
  return guest;
}

const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000));

async function until(isSo: () => boolean, most = 30): Promise<void> {
  for (let n = 0; !isSo() && n < most * 50; n++) await seconds(0.02);
  expect(isSo()).toBe(true);
}

/** Bytes both ways, then both ends; checks that all arrived and nothing is left. */
async function transfer({ up = 0, down = 0, ...more }: Transfer): Promise<Server> {
  guest.onServer = (server) => server.send(down);
  const outcome = await guest.run({ ...more, up, down }).done;
  expect(outcome).toMatchObject({ error: null, got: down, digest: digestOf(pattern(down)) });
  const server = guest.servers.at(-1)!;
  await until(() => server.isEnded);
  expect([server.got, server.hash.digest("hex"), server.isAborted]).toEqual([up, digestOf(pattern(up)), false]);
  await until(() => guest.tcp.heldBytes === 0 && guest.tcp.list().every(({ state }) => state === "time-wait"));
  return server;
}

describe.skipIf(missing !== null)("with the kernel's TCP", () => {
  it.each([
    ["192.0.2.1", 64 * MIB, 0],
    ["192.0.2.1", 0, 64 * MIB],
    ["192.0.2.1", 16 * MIB, 16 * MIB],
    ["2001:db8::1", 16 * MIB, 16 * MIB],
  ])("%s: %d bytes go up and %d down in large segments", async (address, up, down) => {
    await open();
    await transfer({ address, port: 80, up, down });
    if (up > 0) expect(guest.largest).toBeGreaterThan(30_000);
    await until(() => guest.tcp.connections === 0);
    expect(guest.tcp.timers).toBe(0);
  });

  it.each([
    [{}],
    [{ sysctl: { tcp_sack: 0 } }],
    [{ sysctl: { tcp_timestamps: 0 } }],
    [{ sysctl: { tcp_sack: 0, tcp_timestamps: 0, tcp_window_scaling: 0 } }],
  ])("over a bad line all arrives: %j", async (options) => {
    await open({ ...options, large: false }, { loss: 0.02, duplicate: 0.02, reorder: 0.05 });
    await transfer({ port: 80, up: MIB, down: MIB });
    await transfer({ port: 80, up: 3, down: 5 });
    expect(guest.tcp.stats().fastRecoveries).toBeGreaterThan(0);
  });

  it("a worse line loses nothing either", async () => {
    await open({ large: false }, { loss: 0.15, duplicate: 0.1, reorder: 0.2 });
    await transfer({ port: 80, up: 60_000, down: 60_000 });
  });

  it("small networks get small segments", async () => {
    await open({ mtu: 1280 });
    await transfer({ port: 80, up: MIB, down: MIB });
  });

  it("either end may come first, and the other direction goes on", async () => {
    await open();
    await transfer({ port: 80, up: MIB, down: MIB, receiveFirst: true });
    await transfer({ port: 80, up: MIB, down: 100, pause: 0.1, receiveFirst: true });
    guest.onServer = (server) => setTimeout(() => server.send(MIB), 500);
    expect(await guest.run({ port: 80, up: 10 }).done).toMatchObject({ error: null, got: MIB });
  });

  it("a guest that reads slowly stops the world, and a window that was closed opens", async () => {
    await open();
    const fast = guest.run({ port: 80, down: 8 * MIB, sleep: 3, options: [["SOL_SOCKET", "SO_RCVBUF", 30_000]] });
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, guest.tcp.heldBytes);
    }, 5);
    guest.onServer = (server) => server.send(8 * MIB);
    expect(await fast.done).toMatchObject({ error: null, got: 8 * MIB, digest: digestOf(pattern(8 * MIB)) });
    clearInterval(watch);
    expect(most).toBeLessThan(1.1 * MIB);
    expect(guest.tcp.stats().probes).toBeGreaterThan(1);
  });

  it("a world that reads slowly stops the guest", async () => {
    await open();
    let most = 0;
    guest.onServer = (server) => {
      server.slowMs = 2;
      server.send(0);
    };
    const sent = guest.run({ port: 80, up: 16 * MIB }).done;
    const watch = setInterval(() => {
      most = Math.max(most, guest.tcp.heldBytes);
    }, 5);
    expect(await sent).toMatchObject({ error: null });
    await until(() => guest.servers[0]!.isEnded);
    clearInterval(watch);
    expect(guest.servers[0]!.hash.digest("hex")).toBe(digestOf(pattern(16 * MIB)));
    expect([most > 0, most <= MIB + 65_536]).toEqual([true, true]);
  });

  it("what is refused outside is refused inside", async () => {
    await open();
    expect((await guest.run({ port: 7 }).done).error).toBe("ConnectionRefusedError");
    expect((await guest.run({ address: "198.51.100.1", port: 80 }).done).error).toBe("ConnectionRefusedError");
  });

  it("resets go both ways", async () => {
    await open();
    guest.onServer = () => {};
    await guest.run({ port: 80, up: 100, finish: false, reset: 0.3 }).done;
    await until(() => guest.servers[0]!.isAborted);
    guest.onServer = (server) => setTimeout(() => server.events.closed("reset"), 200);
    expect((await guest.run({ port: 80, finish: false }).done).error).toBe("ConnectionResetError");
    await until(() => guest.tcp.connections === 0);
  });

  it("a connection of the host to the guest carries both ways", async () => {
    await open();
    const { done, listening } = guest.run({ listen: true, address: "10.0.2.15", port: 22, up: MIB });
    await listening;
    const server = new Server();
    server.events = guest.tcp.openToGuest(
      { address: Uint8Array.of(10, 0, 2, 2), port: 5000 },
      { address: Uint8Array.of(10, 0, 2, 15), port: 22 },
      server,
    );
    server.send(MIB);
    expect(await done).toMatchObject({ error: null, got: MIB, digest: digestOf(pattern(MIB)) });
    await until(() => server.isEnded);
    expect(server.hash.digest("hex")).toBe(digestOf(pattern(MIB)));
    const none = new Server();
    none.events = guest.tcp.openToGuest(
      { address: Uint8Array.of(10, 0, 2, 2), port: 5001 },
      { address: Uint8Array.of(10, 0, 2, 15), port: 23 },
      none,
    );
    await until(() => none.isAborted);
  });

  it("a guest's keepalives are answered, and ours by the guest", async () => {
    await open({}, undefined, { keepAliveMs: 500 });
    const options = [
      ["SOL_SOCKET", "SO_KEEPALIVE", 1],
      ["IPPROTO_TCP", "TCP_KEEPIDLE", 1],
      ["IPPROTO_TCP", "TCP_KEEPINTVL", 1],
      ["IPPROTO_TCP", "TCP_KEEPCNT", 2],
    ];
    guest.onServer = (server) => setTimeout(() => server.send(10), 6000);
    expect(await guest.run({ port: 80, options, finish: false }).done).toMatchObject({ error: null, got: 10 });
    expect(guest.tcp.stats().keepAlives).toBeGreaterThan(5);
    expect(guest.tcp.stats().gaveUp).toBe(0);
  });

  it("a thousand connections come and go", async () => {
    await open();
    guest.onServer = (server) => server.send(1000);
    const outcomes = [];
    for (let n = 0; n < 20; n++)
      outcomes.push(...(await Promise.all(Array.from({ length: 50 }, () => guest.run({ port: 80, up: 1000 }).done))));
    expect(outcomes.filter(({ error, got }) => error !== null || got !== 1000)).toEqual([]);
    await until(() => guest.tcp.connections === 0);
    expect([guest.tcp.timers, guest.tcp.heldBytes]).toEqual([0, 0]);
  });
});
