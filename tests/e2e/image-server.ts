/** A web server with one raw image of 64 MiB, that lets other origins' pages see what the test says. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type LoopbackSite, startLoopback } from "./loopback.js";

const MIB = 2 ** 20;
const IMAGE_MIB = 64;

export class ImageServer {
  /** Sent with every answer. */
  headers: Record<string, string> = {};
  /** Others are answered with 405. */
  methods: readonly string[] = ["HEAD", "GET"];
  readonly #bytes = Buffer.alloc(IMAGE_MIB * MIB)
    .fill(1, 0, MIB)
    .fill(2, (IMAGE_MIB - 1) * MIB);
  #site: LoopbackSite | null = null;

  async start(): Promise<void> {
    this.#site = await startLoopback(createServer((request, response) => this.#answer(request, response)));
  }

  stop(): void {
    this.#site?.close();
  }

  get url(): string {
    return `${this.#site!.url}disk.raw`;
  }

  #answer({ method = "", headers }: IncomingMessage, response: ServerResponse): void {
    const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "");
    if (!this.methods.includes(method)) {
      response.writeHead(405, this.headers).end();
      return;
    }
    const { length } = this.#bytes;
    if (range === null) {
      response.writeHead(200, { ...this.headers, "content-length": length });
      response.end(method === "HEAD" ? undefined : this.#bytes);
      return;
    }
    const [from, to] = [Number(range[1]), Math.min(Number(range[2]), length - 1)];
    const part = this.#bytes.subarray(from, to + 1);
    const own = { "content-length": part.length, "content-range": `bytes ${from}-${to}/${length}`, etag: '"one"' };
    response.writeHead(206, { ...this.headers, ...own }).end(part);
  }
}
