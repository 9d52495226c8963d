import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { DomainConfig, HostEvent } from "../../control-plane/api/index.js";
import { FakeHost } from "./fake-host.js";

const CONFIG: DomainConfig = { name: "a", kernel: new Uint8Array(8), memoryMiB: 128, vcpus: 2, cmdline: "x=1" };

describe("the simulated host", () => {
  let host: FakeHost;
  beforeEach(() => {
    vi.useFakeTimers();
    host = new FakeHost();
  });
  afterEach(async () => {
    await host.close();
    vi.useRealTimers();
  });

  it("boots to a prompt and answers commands", async () => {
    const domid = await host.create(CONFIG);
    let screen = "";
    const session = await host.attachConsole(domid, "pv", (data) => {
      screen += new TextDecoder().decode(data);
    });
    vi.advanceTimersByTime(2000);
    expect(screen).toMatch(/~ # $/);
    session.write(new TextEncoder().encode("nproc\r"));
    expect(screen).toMatch(/nproc\r\n2\r\n~ # $/);
    expect(new TextDecoder().decode(await host.consoleScrollback(domid, "pv"))).toBe(screen);
  });

  it("keeps Domain0's rules: names, states, codes, a new number after a reboot", async () => {
    const events: HostEvent["kind"][] = [];
    await host.subscribe(({ kind }) => events.push(kind));
    const domid = await host.create(CONFIG);
    await expect(host.create(CONFIG)).rejects.toMatchObject({ code: "name-taken" });
    await expect(host.unpause(domid)).rejects.toMatchObject({ code: "bad-state" });
    await host.pause(domid);
    expect((await host.domain(domid)).state).toBe("paused");
    await host.unpause(domid);
    await host.shutdown(domid, "reboot");
    vi.advanceTimersByTime(500);
    expect(await host.resolve("a")).toBe(domid + 1);
    await expect(host.domain(domid)).rejects.toMatchObject({ code: "no-such-domain" });
    expect(events).toEqual([
      "domain-created",
      "domain-changed",
      "domain-changed",
      "domain-shutdown",
      "domain-destroyed",
      "domain-created",
    ]);
  });

  it("joins networks, and keeps them without guests until they are left", async () => {
    const id = await host.joinNetwork("lab", { url: "ws://there/lab" });
    await host.joinNetwork("far", { url: "ws://nobody/" });
    const states = async () => (await host.networks()).map(({ name, links }) => [name, links.map((link) => link.kind)]);
    expect(await states()).toEqual([
      ["lab", ["joined"]],
      ["far", ["joined"]],
    ]);
    await host.leaveNetwork(id);
    expect(await states()).toEqual([["far", ["joined"]]]);
    await expect(host.leaveNetwork(id)).rejects.toMatchObject({ code: "not-found" });
    await expect(host.serveNetwork()).rejects.toMatchObject({ code: "unsupported" });
  });

  it("fires xenstore watches at once and below their path", async () => {
    const paths: string[] = [];
    const end = await host.xenstoreWatch("/tool", (path) => paths.push(path));
    await host.xenstoreWrite("/tool/x", "1");
    await host.xenstoreWrite("/toolbox", "1");
    end();
    await host.xenstoreWrite("/tool/x", "2");
    expect(paths.sort()).toEqual(["/tool", "/tool/x"]);
    expect(await host.xenstoreList("/tool")).toEqual(["x", "xenstored"]);
  });
});
