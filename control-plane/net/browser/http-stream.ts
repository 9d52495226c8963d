/**
 * A guest's connection to port 80, carried out with fetch: the requests that it writes are made by the page, and what
 * the page is given is written back. Only what the other server allows pages of other origins (CORS) comes through.
 */
import type { OutsideStream, StreamEvents } from "../outside/index.js";
import { type HttpFault, type HttpRequest, HttpRequestReader } from "./http-request.js";

export interface HttpParts {
  readonly fetch: typeof globalThis.fetch;
  /** Of the URLs that are asked for: a page that came by https may not ask by http. */
  readonly scheme: "http" | "https";
  /** Put before each URL: a server that asks others in the page's place. */
  readonly proxy?: string;
}

/** Headers that belong to a connection, or that fetch sets itself. */
const OWN_REQUEST_HEADERS = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
  "accept-encoding",
  "user-agent",
]);
/** fetch has unpacked the body. */
const OWN_RESPONSE_HEADERS = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "keep-alive",
  "transfer-encoding",
]);

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

export class HttpStream implements OutsideStream {
  readonly #requests = new HttpRequestReader();
  readonly #abort = new AbortController();
  #busy = false;
  #over = false;
  #reads = true;
  #readOn: () => void = () => {};

  /** @param host name and port as they stand in a URL */
  constructor(
    private readonly host: string,
    private readonly parts: HttpParts,
    private readonly events: StreamEvents,
  ) {
    queueMicrotask(() => this.#over || events.opened());
  }

  write(bytes: Uint8Array): boolean {
    // One request is answered, and the connection ends with it: what follows is not kept.
    if (this.#over || this.#busy) return true;
    this.#requests.push(bytes);
    void this.#work();
    return true;
  }

  /** Requests that are complete are still answered. */
  end(): void {
    if (!this.#busy) this.#close();
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#abort.abort();
    this.events.closed("reset");
  }

  pauseReading(): void {
    this.#reads = false;
  }

  resumeReading(): void {
    this.#reads = true;
    this.#readOn();
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    const request = this.#requests.next();
    if (request === null || this.#over) return;
    this.#busy = true;
    if ("status" in request) await this.#refuse(request);
    else await this.#carryOut(request);
    this.#close();
  }

  async #carryOut(request: HttpRequest): Promise<void> {
    let response: Response;
    try {
      response = await this.parts.fetch(this.#url(request), this.#init(request));
    } catch (error) {
      await this.#refuse({
        status: 502,
        message:
          `the page could not fetch ${this.#url(request)}: ${(error as Error).message}. ` +
          "A page is given only what the server allows pages of others (CORS). A relay has no such limit: see xl relay.",
      });
      return;
    }
    await this.#answer(response, request.method === "HEAD");
  }

  #url({ target }: HttpRequest): string {
    const url = /^https?:\/\//i.test(target) ? target : `${this.parts.scheme}://${this.host}${target}`;
    return `${this.parts.proxy ?? ""}${url}`;
  }

  #init({ method, headers, body }: HttpRequest): RequestInit {
    const passed = headers.filter(([name]) => !OWN_REQUEST_HEADERS.has(name.toLowerCase()));
    return {
      method,
      headers: passed.map(([name, value]) => [name, value] as [string, string]),
      signal: this.#abort.signal,
      credentials: "omit",
      cache: "no-store",
      ...(body.length > 0 ? { body: body as Uint8Array<ArrayBuffer> } : {}),
    };
  }

  /** Ends with the connection, which tells where the body ends. */
  async #answer(response: Response, isHead: boolean): Promise<void> {
    const lines = [`HTTP/1.1 ${response.status} ${response.statusText}`.trimEnd()];
    response.headers.forEach((value, name) => {
      if (!OWN_RESPONSE_HEADERS.has(name.toLowerCase())) lines.push(`${name}: ${value}`);
    });
    this.#tell(encode(`${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`));
    if (isHead || response.body === null) return;
    const reader = response.body.getReader();
    try {
      for (;;) {
        if (!this.#reads) await new Promise<void>((resolve) => (this.#readOn = resolve));
        const { done, value } = await reader.read();
        if (done || this.#over) break;
        this.#tell(value);
      }
    } catch {
      this.#fail();
    }
  }

  async #refuse({ status, message }: HttpFault): Promise<void> {
    const body = encode(`${message}\n`);
    const head = `HTTP/1.1 ${status} Refused\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}`;
    this.#tell(encode(`${head}\r\nConnection: close\r\n\r\n`));
    this.#tell(body);
  }

  #tell(bytes: Uint8Array): void {
    if (!this.#over) this.events.data(bytes);
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.events.ended();
    this.events.closed(null);
  }

  /** The body broke off: what was sent must not look complete. */
  #fail(): void {
    if (this.#over) return;
    this.#over = true;
    this.events.closed("reset");
  }
}
