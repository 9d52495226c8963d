/** Registers the page's custom elements. Once, at start-up, before any of them is made. */
import { AppView } from "./app/index.js";
import { BootView } from "./boot/index.js";
import { ConsolesView } from "./consoles/index.js";
import { DisksView } from "./disks/index.js";
import { DomainsView } from "./domains/index.js";
import { HypervisorLogView } from "./hypervisor-log/index.js";
import { NetworksView } from "./networks/index.js";
import { NoticesView } from "./notices/index.js";
import { XenstoreView } from "./xenstore/index.js";

export function defineElements(): void {
  const elements: Record<string, CustomElementConstructor> = {
    "xl-app": AppView as unknown as CustomElementConstructor,
    "xl-boot": BootView as unknown as CustomElementConstructor,
    "xl-consoles": ConsolesView as unknown as CustomElementConstructor,
    "xl-disks": DisksView as unknown as CustomElementConstructor,
    "xl-domains": DomainsView as unknown as CustomElementConstructor,
    "xl-hypervisor-log": HypervisorLogView as unknown as CustomElementConstructor,
    "xl-networks": NetworksView as unknown as CustomElementConstructor,
    "xl-notices": NoticesView as unknown as CustomElementConstructor,
    "xl-xenstore": XenstoreView as unknown as CustomElementConstructor,
  };
  for (const [name, element] of Object.entries(elements)) customElements.define(name, element);
}
