/** A switch without guests, and links to it on real sockets. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { type LinkOptions, LinkStation, Switch } from "../net/index.js";
import { openNodeSocket } from "../net/link/link-node.js";
import { BROADCAST, frame, mac, packetOf, TestStation } from "../net/switch/testing/lab.js";
import { SeededRandom } from "../util/index.js";
import { type StartSwitchOptions, startSwitch } from "./switch-node.js";

const clock = { now: () => performance.now() * 1e6 };
const timer = (ms: number, work: () => void): (() => void) => {
  const handle = setTimeout(work, ms);
  return () => clearTimeout(handle);
};
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.splice(0).reverse()) await work();
});

async function start(options: Partial<StartSwitchOptions> = {}) {
  const lines: string[] = [];
  const server = await startSwitch({ host: "127.0.0.1", port: 0, log: (line) => lines.push(line), ...options });
  cleanUp.push(() => server.close());
  return { server, lines };
}

/** A machine with one guest, whose network is linked. */
function member(n: number, url: string, options: Partial<LinkOptions> = {}) {
  const parts = { clock, timer, random: new SeededRandom(n) };
  const sw = new Switch({ name: `member${n}`, ...parts });
  const guest = new TestStation("guest");
  const port = sw.plug(guest, { mac: `00:16:3e:00:00:0${n}` });
  const link = new LinkStation(
    { name: `member${n}`, url, network: `n${n}`, ...options },
    { ...parts, open: openNodeSocket, plug: (station) => sw.plug(station) },
  );
  cleanUp.push(() => link.close());
  const call = (): void => {
    port.send(packetOf(frame({ to: BROADCAST, from: mac(n) })));
    port.settle();
  };
  const heard = () => guest.take().map((bytes) => bytes[11]);
  return { guest, link, call, heard };
}

const until = (condition: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 20_000, interval: 2 });
const isUp = ({ link }: ReturnType<typeof member>) => until(() => link.status().state === "up");
const refusal = async (url: string, options: Partial<LinkOptions> = {}): Promise<string | null> => {
  const { link } = member(9, url, options);
  await until(() => link.status().error !== null);
  link.close();
  return link.status().error;
};

describe("a switch without guests", () => {
  it("joins those who name the same network, and nobody else", async () => {
    const { server, lines } = await start();
    const paths = ["lab", "lab/", "l%61b?x", "other"];
    const members = paths.map((path, n) => member(n + 1, server.url + path));
    await Promise.all(members.map(isUp));
    for (const { call } of members) call();
    await until(() => members.slice(0, 3).every(({ guest }) => guest.received.length >= 2));
    expect(members.map(({ heard }) => heard().sort())).toEqual([[2, 3], [1, 3], [1, 2], []]);
    expect(lines).toContain("other: member4 (127.0.0.1) is connected");
    expect(members[0]!.link.status().peer).toBe("xl switch");
  });

  it("refuses paths that name nothing, and says so", async () => {
    const { server } = await start();
    expect(await refusal(server.url)).toMatch(/names no network: add a name/);
    for (const path of ["a/b", "%", "%20", "x".repeat(33)])
      expect(await refusal(server.url + path), path).toMatch(/not 1 to 32 letters/);
  });

  it("has so many networks and no more; each goes with its last member", async () => {
    const { server } = await start({ networks: 2 });
    const [one, two] = [member(1, `${server.url}one`), member(2, `${server.url}two`)];
    await Promise.all([one, two].map(isUp));
    await isUp(member(3, `${server.url}one`));
    expect(await refusal(`${server.url}three`)).toBe("there are 2 networks here already, and no more may be made");
    two.link.close();
    await until(() => server.peers().length === 2);
    await isUp(member(4, `${server.url}three`));
    expect(await refusal(`${server.url}two`)).toMatch(/2 networks/);
  });

  it("lets nobody make a network who does not know the token", async () => {
    const { server } = await start({ networks: 1, token: "s3cret" });
    expect(await refusal(`${server.url}lab`)).toBe("the token is not the right one");
    await isUp(member(1, `${server.url}other`, { token: "s3cret" }));
  });
});
