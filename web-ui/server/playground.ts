/**
 * `npm start`: serves the built page and prepares Debian for it. The page opens at once and shows the preparation as
 * well; the terminal shows it with the address. Exit statuses: 0 stopped by the user, 1 usage, 2 failure.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { prepareGuest, progressBar } from "../../control-plane/guest/index.js";
import { type GuestFiles, GuestShelf, type Outcome, SHELF, type ShelfName } from "./guest-shelf.js";
import { createPlaygroundServer, defaultWebRoot, listen } from "./http-server.js";
import { openBrowser } from "./open-browser.js";

const HELP = `Serves the Xenolith playground: Debian's Linux in a browser tab.

Usage: npm start -- [options]

  --port N          listen on this port (default: 8080, or the next free one)
  --host ADDRESS    listen on this address (default: 127.0.0.1, this computer only)
  --no-open         do not open a browser
  --flavour NAME    prepare Debian's "cloud" kernel (default) or the "full" one first
  --mirror URL      fetch from this Debian mirror instead of through apt (also: XENOLITH_MIRROR)
  --offline         use only what the cache holds
  --web-root DIR    serve this build of the page
  --help            this text
`;

const EXIT_USAGE = 1;
const EXIT_FAILURE = 2;
const DEFAULT_PORT = 8080;
const DEFAULT_HOST = "127.0.0.1";

/** The project's own guest, built beside this program. */
const EMBEDDED_KERNEL = "embedded-guest.elf";

interface Arguments {
  readonly port: number;
  /** The user named the port: another will not do. */
  readonly insistOnPort: boolean;
  readonly host: string;
  readonly open: boolean;
  readonly flavour: ShelfName;
  readonly mirror: string | undefined;
  readonly offline: boolean;
  readonly webRoot: string;
}

const PROGRAM_FOLDER = dirname(fileURLToPath(import.meta.url));

function parseArguments(args: readonly string[]): Arguments | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: "string" },
      host: { type: "string", default: DEFAULT_HOST },
      "no-open": { type: "boolean", default: false },
      flavour: { type: "string", default: "cloud" },
      mirror: { type: "string" },
      offline: { type: "boolean", default: false },
      "web-root": { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const flavour = SHELF.find((name) => name === values.flavour);
  if (!flavour) throw new Error(`--flavour is "cloud" or "full", not "${values.flavour}"`);
  if (values.port !== undefined && !(/^\d{1,5}$/.test(values.port) && Number(values.port) <= 65535)) {
    throw new Error(`--port is a number from 0 to 65535, not "${values.port}"`);
  }
  return {
    port: values.port === undefined ? DEFAULT_PORT : Number(values.port),
    insistOnPort: values.port !== undefined,
    host: values.host,
    open: !values["no-open"],
    flavour,
    mirror: values.mirror,
    offline: values.offline,
    webRoot: values["web-root"] ?? defaultWebRoot(PROGRAM_FOLDER),
  };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function embeddedGuest(): Promise<Omit<GuestFiles, "notice"> | null> {
  const kernel = join(PROGRAM_FOLDER, EMBEDDED_KERNEL);
  if (!existsSync(kernel)) return null;
  return { name: "embedded", title: "Xenolith's own guest", kernel, initramfs: null, cmdline: "console=hvc0" };
}

function describeOutcome(outcome: Outcome): string {
  if (!outcome.ok)
    return `Debian could not be prepared: ${outcome.message}\nThe page can still boot kernels of your own.`;
  return outcome.guest.notice ?? `${outcome.guest.title} is ready to boot.`;
}

function makeShelf({ mirror, offline }: Arguments): GuestShelf {
  const bar = progressBar(process.stderr);
  return new GuestShelf({
    prepare: (flavour, onProgress) => prepareGuest({ flavour, onProgress, offline, ...(mirror ? { mirror } : {}) }),
    embedded: embeddedGuest,
    onProgress: bar.report,
    onSettled: (_name, outcome) => {
      bar.finish();
      say(describeOutcome(outcome));
    },
  });
}

/** An address a browser can open: wildcard addresses are this computer's, IPv6 goes in brackets. */
function browserUrl(host: string, port: number): string {
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return `http://${name}:${port}/`;
}

function describeListenError(error: unknown, { host, port }: Arguments): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "EADDRINUSE")
    return `port ${port} on ${host} is in use: name another with --port, or 0 for any free one`;
  if (code === "EACCES") return `port ${port} needs privileges: name one above 1023 with --port`;
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") return `${host} is not an address of this computer`;
  return error instanceof Error ? error.message : String(error);
}

async function run(options: Arguments): Promise<number> {
  if (!existsSync(join(options.webRoot, "index.html"))) {
    process.stderr.write(`playground: there is no built page in ${options.webRoot}: run npm run build\n`);
    return EXIT_FAILURE;
  }
  const shelf = makeShelf(options);
  const server = createPlaygroundServer(options.webRoot, shelf);
  let port: number;
  try {
    port = await listen(server, options.host, options.port, options.insistOnPort);
  } catch (error) {
    process.stderr.write(`playground: ${describeListenError(error, options)}\n`);
    return EXIT_FAILURE;
  }
  const url = browserUrl(options.host, port);
  say(`Xenolith is at ${url} (Ctrl+C stops it)`);
  if (options.open) openBrowser(url);
  void shelf.request(options.flavour);
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  server.close();
  server.closeAllConnections();
  return 0;
}

async function main(): Promise<number> {
  let options: Arguments | "help";
  try {
    options = parseArguments(process.argv.slice(2));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`playground: ${message}\nTry: npm start -- --help\n`);
    return EXIT_USAGE;
  }
  if (options === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  return run(options);
}

// A preparation under way must not keep a stopped playground alive.
process.exit(await main());
