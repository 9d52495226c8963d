/**
 * Sends one file: validators, byte ranges, HEAD, and compression as it goes (a .br or .gz file beside it is taken
 * instead when there is one). The caller has decided that the file may be sent.
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import { isCompressible, mimeType } from "./mime.js";
import { type ByteRange, parseRange } from "./range.js";

/** Good enough for a page on loopback; a file compressed ahead can afford more. */
const BROTLI_QUALITY = 5;
/** Below this a compressed answer is no smaller once its headers are counted. */
const COMPRESS_FROM_BYTES = 1024;

type Encoding = "br" | "gzip";
const SUFFIXES: Readonly<Record<Encoding, string>> = { br: ".br", gzip: ".gz" };

/** Sends `path`; false when there is no such file and nothing was sent. */
export async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  cacheControl: string,
): Promise<boolean> {
  const sizeBytes = await fileSize(path);
  if (sizeBytes === null) return false;
  const info = await stat(path);
  const type = mimeType(path);
  const etag = `"${info.size.toString(36)}-${Math.floor(info.mtimeMs).toString(36)}"`;
  response.setHeader("Content-Type", type);
  response.setHeader("Cache-Control", cacheControl);
  response.setHeader("Last-Modified", info.mtime.toUTCString());
  // Ranges are of the plain file.
  const worthIt = isCompressible(type) && sizeBytes >= COMPRESS_FROM_BYTES && !request.headers.range;
  const encoding = worthIt ? chooseEncoding(request) : null;
  if (isCompressible(type)) response.setHeader("Vary", "Accept-Encoding");
  // A compressed answer is another representation, so it has a validator of its own.
  const tag = encoding ? etag.replace(/"$/, `-${encoding}"`) : etag;
  response.setHeader("ETag", tag);
  if (matches(request.headers["if-none-match"], tag)) {
    response.writeHead(304).end();
  } else if (encoding) {
    await sendEncoded(request, response, path, encoding);
  } else {
    await sendPlain(request, response, path, sizeBytes);
  }
  return true;
}

async function sendPlain(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  sizeBytes: number,
): Promise<void> {
  response.setHeader("Accept-Ranges", "bytes");
  const range = parseRange(request.headers.range, sizeBytes);
  if (range === "unsatisfiable") {
    response.writeHead(416, { "Content-Range": `bytes */${sizeBytes}` }).end();
    return;
  }
  if (range) {
    const { start, end } = range;
    response.writeHead(206, {
      "Content-Range": `bytes ${start}-${end}/${sizeBytes}`,
      "Content-Length": end - start + 1,
    });
  } else {
    response.writeHead(200, { "Content-Length": sizeBytes });
  }
  await sendBody(request, response, path, range);
}

async function sendEncoded(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  encoding: Encoding,
): Promise<void> {
  response.setHeader("Content-Encoding", encoding);
  const ready = path + SUFFIXES[encoding];
  const readySize = await fileSize(ready);
  if (readySize !== null) {
    response.writeHead(200, { "Content-Length": readySize });
    await sendBody(request, response, ready, null);
    return;
  }
  response.writeHead(200);
  await sendBody(request, response, path, null, makeEncoder(encoding));
}

function makeEncoder(encoding: Encoding): Transform {
  if (encoding === "gzip") return createGzip();
  return createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } });
}

async function sendBody(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  range: ByteRange | null,
  encoder?: Transform,
): Promise<void> {
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const source = createReadStream(path, range ?? {});
  try {
    if (encoder) await pipeline(source, encoder, response);
    else await pipeline(source, response);
  } catch {
    // The browser went away, or the file changed under us: the answer cannot be mended any more.
    response.destroy();
  }
}

function chooseEncoding(request: IncomingMessage): Encoding | null {
  const accepted = String(request.headers["accept-encoding"] ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => !/;\s*q=0(\.0*)?$/.test(part))
    .map((part) => part.split(";")[0]);
  return (["br", "gzip"] as const).find((encoding) => accepted.includes(encoding)) ?? null;
}

function matches(header: string | undefined, etag: string): boolean {
  return (header ?? "").split(",").some((part) => part.trim().replace(/^W\//, "") === etag);
}

async function fileSize(path: string): Promise<number | null> {
  try {
    const info = await stat(path);
    return info.isFile() ? info.size : null;
  } catch {
    return null;
  }
}
