/** `xl switch`: a switch at which networks of machines elsewhere meet, over WebSocket. */
import { CliError, Exit } from "../errors.js";
import { say } from "../output.js";
import { signalled } from "../signals.js";

interface SwitchVerbOptions {
  readonly address?: string;
  readonly port?: number;
  readonly token?: string;
  readonly origin?: readonly string[];
}

const DEFAULT_ADDRESS = "127.0.0.1";
const DEFAULT_PORT = 8082;

export async function runSwitch(_: readonly string[], options: SwitchVerbOptions): Promise<number> {
  const { address = DEFAULT_ADDRESS, port = DEFAULT_PORT, token, origin } = options;
  const { startSwitch } = await import("../../api/switch-node.js");
  const started = await startSwitch({
    host: address,
    port,
    log: say,
    ...(token === undefined ? {} : { token }),
    ...(origin === undefined ? {} : { origins: origin }),
  }).catch((error: unknown) => {
    throw new CliError(Exit.HOST, (error as Error).message);
  });
  say(`the switch is ready; "xl network-join lab ${started.url}lab" joins it, or a page with ?join=${started.url}lab`);
  await signalled();
  await started.close();
  return Exit.OK;
}
