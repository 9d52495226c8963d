/** `xl host`: keeps a machine running behind the control socket. */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { CliError, Exit, usageError } from "../errors.js";
import { print, say } from "../output.js";
import { signalled } from "../signals.js";
import { answers, connectSocket, makeSocketFolder, serveSocket, socketAddress } from "../socket/index.js";

interface HostOptions {
  readonly detach?: boolean;
  readonly stop?: boolean;
  readonly pcpus?: number;
  readonly memory?: number;
  /** False with --no-jit. */
  readonly jit?: boolean;
  readonly singleThread?: boolean;
  readonly coreDumps?: string;
  readonly images?: readonly string[];
  /** False with --no-host-loopback. */
  readonly hostLoopback?: boolean;
}

/** How long a detached host may take to answer, and how often it is asked, ms. */
const START_MS = 30_000;
const POLL_MS = 100;

export function host(_: readonly string[], options: HostOptions): Promise<number> {
  if (options.singleThread && (options.pcpus ?? 1) !== 1)
    throw usageError("--single-thread has one pCPU: leave out --pcpus");
  if (options.detach && options.stop) throw usageError("--detach starts a host and --stop ends one: give one of them");
  if (options.stop) return stop();
  return options.detach ? detach(options) : serve(options);
}

async function serve(options: HostOptions): Promise<number> {
  const address = socketAddress();
  if (await answers(address)) throw alreadyRunning();
  const { connectNode } = await import("../../api/connect-node.js");
  const machine = await connectNode({
    ...(options.pcpus === undefined ? {} : { pcpus: options.pcpus }),
    ...(options.memory === undefined ? {} : { memoryMiB: options.memory }),
    ...(options.jit === false ? { jit: false } : {}),
    ...(options.singleThread ? { singleThread: true } : {}),
    ...(options.images === undefined ? {} : { imageFolders: options.images }),
    ...(options.hostLoopback === false ? { hostLoopback: false } : {}),
    coreDumpDirectory: options.coreDumps ?? ".",
  });
  try {
    const server = await serveSocket(machine, address);
    say(`the host is ready at ${address}; Ctrl-C or "xl host --stop" ends it`);
    await Promise.race([server.stopAsked, signalled()]);
    await server.close();
  } finally {
    await machine.close();
  }
  return Exit.OK;
}

async function stop(): Promise<number> {
  const running = await connectSocket(socketAddress());
  await running.stopHost();
  // It answers, then closes: gone is what was asked for.
  await running.gone.catch(() => undefined);
  return Exit.OK;
}

/** Starts this program again without --detach, apart from this terminal, and waits until it answers. */
async function detach(options: HostOptions): Promise<number> {
  const address = socketAddress();
  makeSocketFolder(address);
  if (await answers(address)) throw alreadyRunning();
  const logPath = join(process.platform === "win32" ? tmpdir() : dirname(address), "xenolith-host.log");
  const log = openSync(logPath, "w", 0o600);
  const args = [
    "host",
    ...(options.pcpus === undefined ? [] : ["--pcpus", String(options.pcpus)]),
    ...(options.memory === undefined ? [] : ["--memory", String(options.memory)]),
    ...(options.jit === false ? ["--no-jit"] : []),
    ...(options.singleThread ? ["--single-thread"] : []),
    ...(options.coreDumps === undefined ? [] : ["--core-dumps", options.coreDumps]),
    ...(options.hostLoopback === false ? ["--no-host-loopback"] : []),
    ...(options.images === undefined ? [] : ["--images", ...options.images]),
  ];
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...args], {
    detached: true,
    stdio: ["ignore", log, log],
    windowsHide: true,
  });
  closeSync(log);
  const ended = new Promise<true>((resolve) => {
    child.once("exit", () => resolve(true));
    child.once("error", () => resolve(true));
  });
  const deadline = Date.now() + START_MS;
  while (!(await answers(address))) {
    const isEnded = await Promise.race([ended, sleep(POLL_MS)]);
    if (isEnded) throw new CliError(Exit.HOST, `the host could not start:\n${readFileSync(logPath, "utf8").trim()}`);
    if (Date.now() > deadline) {
      child.kill();
      throw new CliError(Exit.HOST, `the host did not answer in ${START_MS / 1000} s: see ${logPath}`);
    }
  }
  child.unref();
  print(`The host is running (pid ${child.pid}); "xl host --stop" ends it.\n`);
  return Exit.OK;
}

function sleep(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms));
}

function alreadyRunning(): CliError {
  return new CliError(Exit.HOST, 'a host is running already: "xl info" describes it, "xl host --stop" ends it');
}
