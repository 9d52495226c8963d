/**
 * The host's end of the control socket: any number of clients on one HostApi. A client that dies takes its consoles,
 * watches and subscriptions with it; one that sends garbage is disconnected; neither is noticed by the others.
 */
import { chmodSync, unlinkSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { HostApi } from "../../api/index.js";
import { CliError, Exit } from "../errors.js";
import { answers } from "./client.js";
import { isPipeName, makeSocketFolder } from "./path.js";
import { ServedClient } from "./served-client.js";

export interface HostServer {
  /** Resolves when a client has asked for the end of the host. */
  readonly stopAsked: Promise<void>;
  /** Disconnects everybody and removes the socket. */
  close(): Promise<void>;
}

/** Serves `host` at `address`. Fails when a host is there already. */
export async function serveSocket(host: HostApi, address: string): Promise<HostServer> {
  makeSocketFolder(address);
  const clients = new Set<ServedClient>();
  let askStop = (): void => {};
  const stopAsked = new Promise<void>((resolve) => {
    askStop = resolve;
  });
  const server = createServer((socket: Socket) => {
    const client: ServedClient = new ServedClient(socket, host, askStop, () => clients.delete(client));
    clients.add(client);
  });
  await listen(server, address);
  return {
    stopAsked,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const client of clients) client.disconnect();
      await closed;
    },
  };
}

/** Takes the place of a socket that nobody answers on: its host was killed. */
async function listen(server: Server, address: string): Promise<void> {
  try {
    await tryListen(server, address);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") {
      throw new CliError(Exit.HOST, `the control socket "${address}" cannot be made: ${(error as Error).message}`);
    }
    // A pipe goes with its host: nothing is left of it to remove.
    if (isPipeName(address) || (await answers(address))) {
      throw new CliError(Exit.HOST, 'a host is running already: "xl info" describes it, "xl host --stop" ends it');
    }
    unlinkSync(address);
    await tryListen(server, address);
  }
  if (!isPipeName(address)) chmodSync(address, 0o600);
}

function tryListen(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(address, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
