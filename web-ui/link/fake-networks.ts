/** Interfaces and networks of simulated domains: they connect at once, and nothing is said on them. */
import type { NetworkInfo, VifChange, VifConfig, VifInfo } from "../../control-plane/api/index.js";

const CONNECTED = 4;
const WAY_OUT = "nat";

export class FakeNetworks {
  readonly #vifs = new Map<number, VifInfo[]>();
  #macs = 0;

  of(domid: number): VifInfo[] {
    return [...(this.#vifs.get(domid) ?? [])];
  }

  attach(domid: number, config: VifConfig): number {
    const vifs = this.of(domid);
    let devid = config.devid ?? 0;
    while (vifs.some((vif) => vif.devid === devid)) devid++;
    const mac = config.mac ?? `00:16:3e:00:00:${(++this.#macs & 0xff).toString(16).padStart(2, "0")}`;
    const network = config.bridge ?? WAY_OUT;
    vifs.push({
      config: { ...config, devid, mac },
      devid,
      mac,
      name: config.vifname ?? `vif${domid}.${devid}`,
      network,
      state: CONNECTED,
      linkUp: true,
      queues: [{}],
      counters: {},
      fromGuest: {},
      toGuest: {},
      addresses: network === WAY_OUT ? [`10.0.2.${14 + this.#macs}`] : [],
      forwards: config.forwards ?? [],
      backendPath: `/local/domain/0/backend/vif/${domid}/${devid}`,
    });
    this.#vifs.set(domid, vifs);
    return devid;
  }

  detach(domid: number, devid: number): void {
    this.#vifs.set(
      domid,
      this.of(domid).filter((vif) => vif.devid !== devid),
    );
  }

  set(domid: number, devid: number, { linkUp, fromGuest, toGuest }: VifChange): void {
    const changed = this.of(domid).map((vif) =>
      vif.devid === devid
        ? {
            ...vif,
            linkUp: linkUp ?? vif.linkUp,
            fromGuest: fromGuest ?? vif.fromGuest,
            toGuest: toGuest ?? vif.toGuest,
          }
        : vif,
    );
    this.#vifs.set(domid, changed);
  }

  forget(domid: number): void {
    this.#vifs.delete(domid);
  }

  networks(): NetworkInfo[] {
    const all = [...this.#vifs.entries()].flatMap(([domid, vifs]) => vifs.map((vif) => ({ domid, vif })));
    return [...new Set(all.map(({ vif }) => vif.network))].map((name) => ({
      name,
      ports: all
        .filter(({ vif }) => vif.network === name)
        .map(({ domid, vif: { devid, mac, name: port, linkUp } }) => ({
          name: port,
          domid,
          devid,
          mac,
          linkUp,
          counters: {},
        })),
      counters: {},
      macs: [],
      flows: [],
      ...(name === WAY_OUT
        ? { nat: { limits: null, hostLoopback: true, leases: [], connections: [], counters: {} } }
        : {}),
    }));
  }
}
