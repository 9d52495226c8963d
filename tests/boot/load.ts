/** Work of a guest's file systems that goes on while a test does something else, and that is known to. */
import { expect } from "vitest";
import { BOOT_MS, type Debian } from "./debian.js";

/** Writes that are always under way, each in the journal, until the file is gone; what is lost stays lost for long. */
const LOAD =
  "touch /tmp/load; { while [ -e /tmp/load ]; do n=$((n + 1)); head -c 40000 /dev/urandom >$DIR/f; " +
  "mv $DIR/f $DIR/g$((n % 400)); sync $DIR/g$((n % 400)); echo $n >/tmp/count; done; touch /tmp/ended; } &";
const BEGUN = 20;
const FURTHER = 5;

/** Waits until the guest has written some more than it has now. */
export type Further = () => Promise<void>;

/** Runs `use` while the guest writes to a folder, which it does before and afterwards, and whenever `further` is awaited. */
export async function underLoad(debian: Debian, dir: string, use: (further: Further) => Promise<void>): Promise<void> {
  const count = async () => Number(await debian.output("cat /tmp/count || echo 0"));
  const until = (most: number) => expect.poll(count, { timeout: BOOT_MS }).toBeGreaterThan(most);
  const further = async () => until((await count()) + FURTHER);
  debian.console.type(`${LOAD.replaceAll("$DIR", dir)}\n`);
  await until(BEGUN);
  await use(further);
  await further();
  await debian.output("rm /tmp/load; until [ -e /tmp/ended ]; do sleep 0.1; done; rm /tmp/ended /tmp/count");
}

/** A command that tells the sums of all files in a folder, as one. */
export const sumOf = (folder: string): string =>
  `cd ${folder}; find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum; cd /`;
