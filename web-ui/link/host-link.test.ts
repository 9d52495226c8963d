import { expose, wrap } from "comlink";
import { describe, expect, it } from "vitest";
import type { HostApi } from "../../control-plane/api/types.js";
import { proxyCallbacks } from "./host-link.js";

describe("the link", () => {
  it("hands callbacks over a message port and leaves plain arguments alone", async () => {
    const { port1, port2 } = new MessageChannel();
    const far = {
      async subscribe(listener: (event: unknown) => void) {
        await listener({ kind: "domain-created", domid: 3 });
      },
      async rename(domid: number, name: string) {
        return `${domid} ${name}`;
      },
    };
    expose(far, port1 as never);
    const near = proxyCallbacks(await (wrap(port2 as never) as unknown as HostApi));
    const heard: unknown[] = [];
    await near.subscribe((event) => heard.push(event));
    expect(heard).toEqual([{ kind: "domain-created", domid: 3 }]);
    expect(await near.rename(3 as never, "x")).toBe("3 x");
    port1.close();
    port2.close();
  });
});
