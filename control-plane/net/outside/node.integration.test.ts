/** Many streams: what they leave behind at the host. */
import * as fs from "node:fs";
import * as net from "node:net";
import { expect, it } from "vitest";
import { NodeOutside } from "./node.js";
import type { StreamEvents } from "./outside.js";

const ROUNDS = 100;
const STREAMS = 100;

class Ends implements StreamEvents {
  opens!: () => void;
  closes!: () => void;
  readonly isOpen = new Promise<void>((done) => {
    this.opens = done;
  });
  readonly isClosed = new Promise<void>((done) => {
    this.closes = done;
  });

  opened(): void {
    this.opens();
  }
  data(): void {}
  drained(): void {}
  ended(): void {}
  closed(): void {
    this.closes();
  }
}

/** Files and sockets of this process, where the system tells. */
const descriptors = (): number => (fs.existsSync("/proc/self/fd") ? fs.readdirSync("/proc/self/fd").length : 0);

it("ten thousand streams, opened and dropped at any time, leave nothing behind", async () => {
  const outside = new NodeOutside();
  const served = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    served.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => served.delete(socket));
    socket.on("end", () => socket.destroy());
    socket.resume();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as net.AddressInfo;
  const before = descriptors();
  for (let round = 0; round < ROUNDS; round++) {
    const ends = Array.from({ length: STREAMS }, () => new Ends());
    const streams = ends.map((events) => outside.openStream("127.0.0.1", port, events));
    // Every fourth is dropped while it may not be open yet.
    await Promise.all(ends.filter((_, i) => i % 4 !== 0).map((events) => events.isOpen));
    for (const stream of streams) stream.abort();
    await Promise.all(ends.map((events) => events.isClosed));
  }
  while (served.size > 0) await new Promise((done) => setTimeout(done, 10));
  expect(outside.streams).toBe(0);
  expect(descriptors()).toBeLessThanOrEqual(before);
  outside.close();
  server.close();
});
