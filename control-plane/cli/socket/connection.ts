/** One end of the control socket: whole messages in and out, and when what was sent has left. */
import type { Socket } from "node:net";
import { encodeFrame, FrameReader } from "./frame.js";

export interface ConnectionEvents {
  onMessage(message: unknown): void;
  /** The other side is gone, or sent what is no frame; nothing follows. */
  onClose(error: Error | null): void;
}

export class Connection {
  #closed = false;

  constructor(
    private readonly socket: Socket,
    private readonly events: ConnectionEvents,
  ) {
    const reader = new FrameReader();
    socket.on("data", (chunk: Buffer) => this.#receive(reader, chunk));
    socket.on("error", (error) => this.#close(error));
    socket.on("close", () => this.#close(null));
  }

  /** Sends a message; resolves when the system has taken all of it, rejects when the other side is gone. */
  send(message: unknown): Promise<void> {
    if (this.#closed) return Promise.reject(new Error("the connection is closed"));
    const parts = encodeFrame(message);
    return new Promise((resolve, reject) => {
      this.socket.cork();
      parts.forEach((part, index) => {
        const last = index === parts.length - 1;
        this.socket.write(part, last ? (error) => (error ? reject(error) : resolve()) : undefined);
      });
      this.socket.uncork();
    });
  }

  /** Ends the connection after what was sent. */
  end(): void {
    this.socket.end();
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.socket.destroy();
  }

  #receive(reader: FrameReader, chunk: Buffer): void {
    try {
      for (const message of reader.push(chunk)) if (!this.#closed) this.events.onMessage(message);
    } catch (error) {
      this.#close(error as Error);
      this.socket.destroy();
    }
  }

  #close(error: Error | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.events.onClose(error);
  }
}
