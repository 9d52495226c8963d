/**
 * The world outside as the user-mode network needs it: streams, datagrams, names. `node.ts` has sockets of the host,
 * `browser.ts` fetch and a relay. Addresses are texts: "192.0.2.1", "2001:db8::1" (RFC 5952).
 */

export type OutsideError = "refused" | "unreachable" | "timed-out" | "reset" | "denied" | "not-found";

/** What a stream tells its owner. Nothing follows `closed`, which comes exactly once. */
export interface StreamEvents {
  opened(): void;
  /** Bytes that the owner may keep. */
  data(bytes: Uint8Array): void;
  /** What `write` refused to hold more of has drained. */
  drained(): void;
  /** The other end has sent its last byte. */
  ended(): void;
  /** Both directions are over; with the reason when they did not end well. */
  closed(error: OutsideError | null): void;
}

export interface OutsideStream {
  /** Sends bytes, which the caller no longer touches. False: hold more back until `drained`. */
  write(bytes: Uint8Array): boolean;
  /** No more bytes will be sent; the other direction goes on. */
  end(): void;
  /** Ends both directions at once, with a reset where there is one. */
  abort(): void;
  /** No `data` until `resumeReading`, so that the other end sees its window close. */
  pauseReading(): void;
  resumeReading(): void;
}

export interface OutsideDatagrams {
  send(address: string, port: number, bytes: Uint8Array): void;
  close(): void;
}

export interface DatagramEvents {
  data(address: string, port: number, bytes: Uint8Array): void;
  /** A port or host that could not be reached. */
  failed(address: string, port: number, error: OutsideError): void;
}

export type Resolution =
  | { readonly kind: "addresses"; readonly addresses: readonly string[]; readonly ttlSeconds: number }
  /** The name is there and has no such record. */
  | { readonly kind: "none" }
  | { readonly kind: "no-such-name" }
  | { readonly kind: "failed" };

export interface Listener {
  /** The port that was given when 0 was asked for. */
  readonly port: number;
  close(): void;
}

export interface Outside {
  /** What cannot be done here, as a sentence, or null: shown to people who ask for it. */
  readonly limits: string | null;
  openStream(address: string, port: number, events: StreamEvents): OutsideStream;
  /** A socket of its own for one port of a guest; null where there are no datagrams. */
  openDatagrams(family: 4 | 6, events: DatagramEvents): OutsideDatagrams | null;
  resolve(name: string, family: 4 | 6): Promise<Resolution>;
  /** The name of an address, or null. */
  reverse(address: string): Promise<string | null>;
  /** Whether a host answers an echo request; null where it cannot be found out. */
  ping(address: string, timeoutMs: number): Promise<boolean | null>;
  /** Listens at the host for a forward; rejects with a message for people. `accepted` answers who hears of the new stream, which is open. */
  listen(
    address: string,
    port: number,
    accepted: (stream: OutsideStream, from: { readonly address: string; readonly port: number }) => StreamEvents,
  ): Promise<Listener>;
  listenDatagrams(address: string, port: number, events: DatagramEvents): Promise<Listener & OutsideDatagrams>;
  /** Ends everything that is open. */
  close(): void;
}
