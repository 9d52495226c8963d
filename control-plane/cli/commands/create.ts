/** `xl create`: a domain on the running host. */
import { loadImages } from "../config/index.js";
import { usageError } from "../errors.js";
import { print } from "../output.js";
import { type PlanOptions, plansOf } from "../plans.js";
import { withHost } from "./with-host.js";

interface CreateVerbOptions extends PlanOptions {
  readonly console?: boolean;
  readonly paused?: boolean;
}

export function create(args: readonly string[], options: CreateVerbOptions): Promise<number> {
  return withHost(async (host) => {
    const plans = await plansOf(args, options);
    if (plans.length > 1) throw usageError("create starts one domain: give one configuration file");
    const [plan] = plans;
    const config = await loadImages(plan!);
    // With a console the guest starts once somebody listens.
    const domid = await host.create(config, { paused: options.console === true || options.paused === true });
    print(`Domain "${config.name}" is domain ${domid}.\n`);
    if (!options.console) return 0;
    const { showConsole } = await import("./console.js");
    await showConsole(host, domid, plan!.console, () => (options.paused ? Promise.resolve() : host.unpause(domid)));
    return 0;
  });
}
