/** HTTP/1 requests as they come out of a guest: head and body, from bytes in any portions. [RFC 9112] */

/** Longest head of a request. */
const MOST_HEAD_BYTES = 64 * 1024;
/** Longest body: a page sends it in one piece. */
const MOST_BODY_BYTES = 64 << 20;
const CRLF_CRLF = [13, 10, 13, 10] as const;

export interface HttpRequest {
  readonly method: string;
  /** Path and query, or a whole URL as proxies are sent. */
  readonly target: string;
  readonly minor: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}

/** Why a request cannot be carried out: a status of HTTP's and words. */
export interface HttpFault {
  readonly status: number;
  readonly message: string;
}

type Head = Omit<HttpRequest, "body">;

/** Collects the bytes of one connection. */
export class HttpRequestReader {
  /** Room, and how much of it is in use. */
  #room = new Uint8Array(0);
  #used = 0;
  #head: Head | null = null;

  /** Adds bytes. */
  push(bytes: Uint8Array): void {
    const length = this.#used + bytes.length;
    if (length > this.#room.length) {
      // Twice as much as there was, or every byte of a long body would be copied for each that follows it.
      const room = new Uint8Array(Math.max(length, 2 * this.#used));
      room.set(this.#bytes);
      this.#room = room;
    }
    this.#room.set(bytes, this.#used);
    this.#used = length;
  }

  /** The next request that is complete; null when more bytes are needed. */
  next(): HttpRequest | HttpFault | null {
    if (this.#head === null) {
      const end = find(this.#bytes, CRLF_CRLF);
      if (end < 0)
        return this.#bytes.length > MOST_HEAD_BYTES ? { status: 431, message: "the head is too long" } : null;
      const head = parseHead(new TextDecoder("latin1").decode(this.#bytes.subarray(0, end)));
      if ("status" in head) return head;
      this.#head = head;
      this.#drop(end + CRLF_CRLF.length);
    }
    return this.#withBody(this.#head);
  }

  get #bytes(): Uint8Array {
    return this.#room.subarray(0, this.#used);
  }

  #drop(count: number): void {
    this.#room = this.#room.slice(count, this.#used);
    this.#used -= count;
  }

  #withBody(head: Head): HttpRequest | HttpFault | null {
    const value = (name: string) => head.headers.find(([key]) => key.toLowerCase() === name)?.[1];
    if (value("transfer-encoding") !== undefined) {
      return { status: 411, message: "send the body with a Content-Length" };
    }
    const length = value("content-length") ?? "0";
    if (!/^\d{1,12}$/.test(length)) return { status: 400, message: `Content-Length "${length}" is no number` };
    if (Number(length) > MOST_BODY_BYTES) return { status: 413, message: "the body is too long for a page to send" };
    if (this.#used < Number(length)) return null;
    const body = this.#bytes.slice(0, Number(length));
    this.#drop(Number(length));
    this.#head = null;
    return { ...head, body };
  }
}

function find(bytes: Uint8Array, what: readonly number[]): number {
  for (let at = bytes.indexOf(what[0]!); at >= 0; at = bytes.indexOf(what[0]!, at + 1)) {
    if (what.every((byte, n) => bytes[at + n] === byte)) return at;
  }
  return -1;
}

function parseHead(text: string): Head | HttpFault {
  const [first, ...lines] = text.split("\r\n");
  const request = /^([A-Z]{1,20}) (\S{1,8192}) HTTP\/1\.([01])$/.exec(first!);
  if (request === null) return { status: 400, message: "the first line is no HTTP/1 request" };
  const headers: [string, string][] = [];
  for (const line of lines) {
    const header = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (header === null) return { status: 400, message: `"${line.slice(0, 80)}" is no header` };
    headers.push([header[1]!, header[2]!]);
  }
  return { method: request[1]!, target: request[2]!, minor: Number(request[3]), headers };
}
