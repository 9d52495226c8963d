/**
 * Debian's Firefox for the end-to-end test, driven over Marionette, Firefox's own remote protocol: JSON with a decimal
 * length and a colon before it, over TCP on this machine. Commands and their parameters are WebDriver's. [MARIONETTE]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const CANDIDATES = ["/usr/bin/firefox-esr", "/usr/bin/firefox"];
const START_MS = 60_000;
const POLL_MS = 100;
/** For expressions whose value is a promise. */
const SCRIPT_MS = 240_000;
/** A browser that asks nothing and calls nobody. Marionette picks a free port and leaves it in a file. */
const PREFERENCES = {
  "marionette.port": 0,
  "app.update.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "toolkit.telemetry.reportingpolicy.firstRun": false,
};

/** The name of an element reference in JSON. */
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

/** WebDriver's code of the Enter key, for `type`. */
export const ENTER = "\ue007";

/** Type of message, number of the command, error, result. */
type Answer = readonly [1, number, { error: string; message: string } | null, unknown];

/** A running Firefox with one window. */
export class Firefox {
  #nextId = 1;
  #received = Buffer.alloc(0);
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();

  private constructor(
    private readonly process: ChildProcess,
    private readonly socket: Socket,
    private readonly profile: string,
  ) {
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("Firefox has gone"));
    });
  }

  static async launch(): Promise<Firefox> {
    const program = process.env.FIREFOX ?? CANDIDATES.find((path) => existsSync(path));
    if (!program) {
      throw new Error("no Firefox: install Debian's (apt-get install firefox-esr) or name one in the variable FIREFOX");
    }
    const profile = await mkdtemp(join(tmpdir(), "xenolith-firefox-"));
    const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref("${name}", ${value});\n`);
    await writeFile(join(profile, "user.js"), lines.join(""));
    const child = spawn(program, ["--headless", "--marionette", "--no-remote", "--profile", profile, "about:blank"], {
      stdio: "ignore",
      // Firefox keeps more below the home folder, and refuses to start as root in somebody else's.
      env: { ...process.env, HOME: profile },
    });
    // What cannot be started has an exit code as well, which portOf reports.
    child.once("error", () => undefined);
    const socket = connect({ host: "127.0.0.1", port: await portOf(child, profile) });
    await once(socket, "connect");
    const firefox = new Firefox(child, socket, profile);
    await firefox.call("WebDriver:NewSession", {});
    await firefox.call("WebDriver:SetTimeouts", { script: SCRIPT_MS });
    return firefox;
  }

  async goto(url: string): Promise<void> {
    await this.call("WebDriver:Navigate", { url });
  }

  /** The value of an expression in the page. */
  async evaluate(expression: string): Promise<unknown> {
    return this.#value("WebDriver:ExecuteScript", { script: `return (${expression});`, args: [] });
  }

  /** Clicks the first element that the XPath names. */
  async click(xpath: string): Promise<void> {
    const found = await this.#value("WebDriver:FindElement", { using: "xpath", value: xpath });
    await this.call("WebDriver:ElementClick", { id: (found as { readonly [ELEMENT]: string })[ELEMENT] });
  }

  /** Presses and releases the keys of a text, one after the other, wherever the focus is. */
  async type(text: string): Promise<void> {
    const actions = [...text].flatMap((value) => [
      { type: "keyDown", value },
      { type: "keyUp", value },
    ]);
    await this.call("WebDriver:PerformActions", { actions: [{ type: "key", id: "keyboard", actions }] });
  }

  async close(): Promise<void> {
    const ended = this.process.exitCode === null ? once(this.process, "exit") : null;
    await this.call("Marionette:Quit", { flags: ["eForceQuit"] }).catch(() => this.process.kill("SIGKILL"));
    await ended;
    this.socket.destroy();
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }

  async #value(command: string, parameters: object): Promise<unknown> {
    return ((await this.call(command, parameters)) as { value: unknown }).value;
  }

  private call(command: string, parameters: object): Promise<unknown> {
    const id = this.#nextId++;
    const body = Buffer.from(JSON.stringify([0, id, command, parameters]));
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.socket.write(Buffer.concat([Buffer.from(`${body.length}:`), body]));
    });
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (;;) {
      const colon = this.#received.indexOf(":");
      const end = colon + 1 + Number(this.#received.subarray(0, Math.max(colon, 0)));
      if (colon < 0 || this.#received.length < end) return;
      const message: unknown = JSON.parse(this.#received.subarray(colon + 1, end).toString());
      this.#received = this.#received.subarray(end);
      // The greeting is an object, answers are arrays.
      if (Array.isArray(message)) this.#answer(message as unknown as Answer);
    }
  }

  #answer([, id, error, result]: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(`${error.error}: ${error.message}`));
    else waiting?.resolve(result);
  }
}

/** The port that Marionette writes into the profile once it listens. */
async function portOf(child: ChildProcess, profile: string): Promise<number> {
  const deadline = Date.now() + START_MS;
  while (child.exitCode === null && Date.now() < deadline) {
    const port = Number(await readFile(join(profile, "MarionetteActivePort"), "utf8").catch(() => "0"));
    if (port > 0) return port;
    await sleep(POLL_MS);
  }
  child.kill("SIGKILL");
  throw new Error(`Firefox ${child.exitCode === null ? "does not listen" : `ended (${child.exitCode})`}`);
}
