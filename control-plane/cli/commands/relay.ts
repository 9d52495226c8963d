/** `xl relay`: sockets of this computer for guests of pages, over a WebSocket. */
import { CliError, Exit } from "../errors.js";
import { say } from "../output.js";
import { signalled } from "../signals.js";

interface RelayVerbOptions {
  readonly address?: string;
  readonly port?: number;
  readonly token?: string;
  readonly origin?: readonly string[];
  readonly allowHostLoopback?: boolean;
  /** False with --no-private-networks. */
  readonly privateNetworks?: boolean;
}

const DEFAULT_ADDRESS = "127.0.0.1";
const DEFAULT_PORT = 8081;

export async function relay(_: readonly string[], options: RelayVerbOptions): Promise<number> {
  const { address = DEFAULT_ADDRESS, port = DEFAULT_PORT, token, origin } = options;
  const { startRelay } = await import("../../api/relay-node.js");
  const started = await startRelay({
    host: address,
    port,
    hostLoopback: options.allowHostLoopback === true,
    privateNetworks: options.privateNetworks !== false,
    log: say,
    ...(token === undefined ? {} : { token }),
    ...(origin === undefined ? {} : { origins: origin }),
  }).catch((error: unknown) => {
    throw new CliError(Exit.HOST, (error as Error).message);
  });
  say(`the relay is ready; open the page with ?relay=${started.url}`);
  await signalled();
  await started.close();
  return Exit.OK;
}
