/** `xl network-capture`: frames as they pass, into a pcapng file for Wireshark and tcpdump. */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import type { CaptureTarget } from "../../api/index.js";
import { fileError, usageError } from "../errors.js";
import { say } from "../output.js";
import type { RemoteHost } from "../socket/index.js";
import { findVif } from "./network.js";
import { withHost } from "./with-host.js";

interface CaptureVerbOptions {
  readonly network?: string;
  readonly snaplen?: number;
  readonly seconds?: number;
}

export function networkCapture(args: readonly string[], options: CaptureVerbOptions): Promise<number> {
  const { network, snaplen, seconds } = options;
  const place = network === undefined ? args.slice(0, -1) : [];
  const file = args.at(-1);
  if (file === undefined || (network === undefined ? place.length === 0 : args.length > 1)) {
    throw usageError('say what and where to: "xl network-capture DOMAIN [VIF] FILE" or "--network NAME FILE"');
  }
  return withHost(async (host) => {
    const target = network === undefined ? await interfaceOf(host, place) : { network };
    const output = await open(file);
    let tellGone = (): void => {};
    const gone = new Promise<void>((resolve) => {
      tellGone = () => resolve(say("the interface is gone, and the recording ends"));
    });
    const take = async (data: Uint8Array): Promise<void> => {
      if (data.length === 0) return tellGone();
      await write(output, data).catch((error: unknown) => {
        throw fileError("capture", file, error);
      });
    };
    const stop = await host.capture(target, take, snaplen === undefined ? {} : { snaplen });
    say(`recording to ${file === "-" ? "standard output" : file}; Ctrl-C ends it`);
    await ending(Promise.race([gone, host.gone]), output, seconds);
    const { frames, drops } = await stop();
    await close(output);
    say(`${frames} frames recorded${drops === 0 ? "" : `, ${drops} left out because the reader was too slow`}`);
    return 0;
  });
}

async function interfaceOf(host: RemoteHost, [domain, vif]: readonly string[]): Promise<CaptureTarget> {
  const domid = await host.resolve(domain!);
  const { devid } = await findVif(host, domid, vif);
  return { domid, devid };
}

async function open(file: string): Promise<Writable> {
  if (file === "-") return process.stdout;
  const output = createWriteStream(file);
  try {
    await once(output, "open");
  } catch (error) {
    throw fileError("capture", file, error);
  }
  // Told by the next write.
  output.on("error", () => undefined);
  return output;
}

function write(output: Writable, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

async function close(output: Writable): Promise<void> {
  if (output === process.stdout) return;
  output.end();
  await once(output, "close");
}

/** Resolves when the recording is to end: with `gone`, by a signal, after some time, or because nobody reads it. */
async function ending(gone: Promise<unknown>, output: Writable, seconds: number | undefined): Promise<void> {
  const signals = ["SIGINT", "SIGTERM"] as const;
  let end = (): void => {};
  const asked = new Promise<void>((resolve) => {
    end = () => resolve();
  });
  for (const signal of signals) process.on(signal, end);
  output.once("close", end);
  const timer = seconds === undefined ? undefined : setTimeout(end, seconds * 1000);
  try {
    await Promise.race([asked, gone]);
  } finally {
    clearTimeout(timer);
    output.off("close", end);
    for (const signal of signals) process.off(signal, end);
  }
}
