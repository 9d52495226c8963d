/** What servers of WebSockets have in common in Node: they listen, turn pages away, and compare secrets. */
import { timingSafeEqual } from "node:crypto";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";

/** Listens, and answers the port; rejects with words for people when it cannot. */
export async function listen(http: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    // Also later: one connection that cannot be taken, for want of descriptors, is not the end of the others.
    http.on("error", (error: NodeJS.ErrnoException) => reject(new Error(whyNotListening(error, host, port))));
    http.listen(port, host, resolve);
  });
  return (http.address() as AddressInfo).port;
}

function whyNotListening(error: NodeJS.ErrnoException, host: string, port: number): string {
  if (error.code === "EADDRINUSE") return `port ${port} of ${host} is taken: choose another`;
  if (error.code === "EACCES") return `port ${port} wants privileges: choose one from 1024 up`;
  if (error.code === "EADDRNOTAVAIL") return `${host} is no address of this computer`;
  return `cannot listen at ${host}, port ${port}: ${error.message}`;
}

/** The beginning of a WebSocket's address, with its slash. */
export const addressOf = (host: string, port: number): string =>
  `ws://${host.includes(":") ? `[${host}]` : host}:${port}/`;

/**
 * Whether a page of `origin` is among those that are listed, "*" being all. Without a list those of this computer are: any
 * page of the world can reach a port of the loopback.
 */
export function isListed(origin: string, origins: readonly string[] | undefined): boolean {
  if (origins !== undefined) return origins.includes("*") || origins.includes(origin);
  return /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(origin);
}

/** In constant time for texts of the same length. */
export function isSame(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

/** Answers a request for a WebSocket with an HTTP status, and does not wait for the other side to close. */
export function turnAway(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`, () => socket.destroy());
}

/** Ends a server, whatever those who are connected think of it. */
export async function stopListening(http: Server): Promise<void> {
  const stopped = new Promise((resolve) => http.close(resolve));
  http.closeAllConnections();
  await stopped;
}
