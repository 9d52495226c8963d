/** A world outside of a relay, which the test plays: what was opened in it, and one name. */
import type { DatagramEvents, Outside, OutsideDatagrams, OutsideStream, StreamEvents } from "../../outside/index.js";
import { FarStream } from "../../outside/testing/far-stream.js";

export class World implements Outside {
  readonly limits = null;
  readonly streams: FarStream[] = [];
  readonly datagrams: { family: 4 | 6; events: DatagramEvents; sent: [string, number, number[]][]; open: boolean }[] =
    [];
  names: Readonly<Record<string, string>> = { "example.org": "192.0.2.7" };

  openStream(address: string, port: number, events: StreamEvents): OutsideStream {
    const stream = new FarStream(address, port, events);
    this.streams.push(stream);
    return stream;
  }
  openDatagrams(family: 4 | 6, events: DatagramEvents): OutsideDatagrams {
    const socket = { family, events, sent: [] as [string, number, number[]][], open: true };
    this.datagrams.push(socket);
    return {
      send: (address, port, data) => void socket.sent.push([address, port, [...data]]),
      close: () => {
        socket.open = false;
      },
    };
  }
  async resolve(name: string, family: 4 | 6) {
    const address = this.names[name];
    if (address === undefined || family === 6) return { kind: "no-such-name" } as const;
    return { kind: "addresses", addresses: [address], ttlSeconds: 1 } as const;
  }
  reverse = async () => null;
  ping = async () => null;
  listen = async () => Promise.reject(new Error("not here"));
  listenDatagrams = async () => Promise.reject(new Error("not here"));
  close(): void {}
}
