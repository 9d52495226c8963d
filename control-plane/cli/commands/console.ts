/** `xl console`, and the console part of `xl create -c`. */
import type { ConsoleKind, DomId } from "../../api/index.js";
import { say } from "../output.js";
import type { RemoteHost } from "../socket/index.js";
import { Terminal } from "../terminal.js";
import { withDomain } from "./with-host.js";

export function console([domain]: readonly string[], options: { type?: ConsoleKind }): Promise<number> {
  return withDomain(domain!, (host, domid) => showConsole(host, domid, options.type ?? "pv"));
}

/** Shows a console until the user detaches or the domain is gone for good; a reboot does not end it. */
export async function showConsole(
  host: RemoteHost,
  domid: DomId,
  kind: ConsoleKind,
  onAttached: () => Promise<void> = async () => {},
  terminal = new Terminal(),
): Promise<void> {
  let finish = (_: string): void => {};
  const finished = new Promise<string>((resolve) => {
    finish = resolve;
  });
  let written = Promise.resolve();
  const session = await host.attachConsole(domid, kind, (data) => {
    written = written.then(() => terminal.write(data));
  });
  const unfollow = await whenGone(host, domid, (name) => finish(`domain "${name}" has ended`));
  terminal.attach({
    onInput: (data) => session.write(data),
    onResize: (columns, rows) => session.resize(columns, rows),
    onDetach: () => finish("detached"),
  });
  try {
    await onAttached();
    const why = await Promise.race([finished, host.gone]);
    await written;
    terminal.restore();
    say(why);
  } finally {
    terminal.restore();
    session.detach();
    unfollow();
  }
}

/** Calls `onGone` once when the domain is destroyed and no other of its name has taken its place. */
async function whenGone(host: RemoteHost, first: DomId, onGone: (name: string) => void): Promise<() => void> {
  let domid = first;
  const { name } = await host.domain(first);
  return host.subscribe((event) => {
    if (event.kind === "domain-created" && event.restartOf === domid) domid = event.domid;
    if (event.kind !== "domain-destroyed" || event.domid !== domid) return;
    host.list().then(
      (infos) => {
        const successor = infos.find((info) => info.name === name);
        if (successor) domid = successor.domid;
        else onGone(name);
      },
      () => undefined,
    );
  });
}
