/** A web server for images. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A web server with one file, that counts requests and can misbehave. */
export class TestServer {
  requests: string[] = [];
  etag: string | undefined = '"one"';
  /** Answers instead of the server, when it answers true. */
  trouble: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  #server: Server | null = null;

  constructor(public bytes: Uint8Array) {}

  async start(name = "disk.raw"): Promise<string> {
    this.#server = createServer((request, response) => this.answer(request, response));
    await new Promise<void>((resolve) => this.#server!.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${name}`;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  /** Also a request that was held back. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    this.requests.push(range === null ? request.method! : `${range[1]}-${range[2]}`);
    if (this.trouble(request, response)) return;
    if (this.etag !== undefined) response.setHeader("etag", this.etag);
    if (range === null) {
      response.writeHead(200, { "content-length": this.bytes.length });
      response.end(request.method === "HEAD" ? undefined : this.bytes);
      return;
    }
    const [from, to] = [Number(range[1]), Math.min(Number(range[2]), this.bytes.length - 1)];
    const part = this.bytes.subarray(from, to + 1);
    response.writeHead(206, {
      "content-length": part.length,
      "content-range": `bytes ${from}-${to}/${this.bytes.length}`,
    });
    response.end(part);
  }
}
