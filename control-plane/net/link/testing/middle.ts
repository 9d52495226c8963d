/** What stands between the two ends of a connection, passes bytes on, and can cut it. */
import { connect, createServer, type Server, type Socket } from "node:net";

export class Middle {
  readonly #sockets = new Set<Socket>();
  passed = 0;
  /** Bytes after which it cuts, in the middle of whatever they are. */
  cutAfter = Number.POSITIVE_INFINITY;

  private constructor(private readonly server: Server) {}

  /** Listens, and passes on to a port of this computer. */
  static async to(port: number): Promise<Middle> {
    const server = createServer((near) => middle.#join(near, connect(port, "127.0.0.1")));
    const middle = new Middle(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return middle;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as { port: number }).port}/`;
  }

  /** Breaks every connection; new ones are passed on again. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    this.cutAfter = Number.POSITIVE_INFINITY;
    this.passed = 0;
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  #join(near: Socket, far: Socket): void {
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => to.destroy());
      from.on("data", (bytes) => {
        const room = this.cutAfter - this.passed;
        to.write(bytes.subarray(0, Math.max(0, room)));
        this.passed += bytes.length;
        if (bytes.length >= room) this.cut();
      });
    }
  }
}
