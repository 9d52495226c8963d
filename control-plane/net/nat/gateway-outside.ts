/** The world as TCP sees it: the name server of this network is one host of it, everything else is outside. */
import { formatIp } from "../addresses.js";
import type { Outside, OutsideStream, StreamEvents } from "../outside/index.js";
import { DNS_PORT } from "./codec/dns.js";
import type { Asker, DnsForwarder } from "./dns-forwarder.js";
import { DnsStream } from "./dns-stream.js";
import { DNS, DNS6 } from "./network.js";

const NAME_SERVERS: ReadonlySet<string> = new Set([formatIp(DNS), formatIp(DNS6)]);
const NOTHING: OutsideStream = {
  write: () => true,
  end: () => undefined,
  abort: () => undefined,
  pauseReading: () => undefined,
  resumeReading: () => undefined,
};

/** `asker` is the guest whose segment is being looked at, who pays for what it asks. */
export function gatewayOutside(outside: Outside, dns: DnsForwarder, asker: () => Asker): Outside {
  return {
    limits: outside.limits,
    openStream(address: string, port: number, events: StreamEvents): OutsideStream {
      if (!NAME_SERVERS.has(address)) return outside.openStream(address, port, events);
      if (port === DNS_PORT) return new DnsStream(dns, asker(), events);
      queueMicrotask(() => events.closed("refused"));
      return NOTHING;
    },
    openDatagrams: (family, events) => outside.openDatagrams(family, events),
    resolve: (name, family) => outside.resolve(name, family),
    reverse: (address) => outside.reverse(address),
    ping: (address, timeoutMs) => outside.ping(address, timeoutMs),
    listen: (address, port, accepted) => outside.listen(address, port, accepted),
    listenDatagrams: (address, port, events) => outside.listenDatagrams(address, port, events),
    close: () => outside.close(),
  };
}
