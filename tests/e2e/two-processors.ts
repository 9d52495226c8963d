/**
 * Two processes that are busy in a guest with two vCPUs, as the page tells of them: run at the same time by two pCPUs, in
 * compiled code. For any browser: what is asked of the page is an expression.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { STEP_MS } from "./real-page.js";

/** Typed at the guest's shell before. */
export const BE_BUSY_TWICE = "for n in 1 2; do while :; do :; done & done; echo busy=$((1 + 1))";
export const BUSY = "busy=2";
/** Typed after it. */
export const REST = "kill -9 $(jobs -p); wait; echo rested=$((1 + 1))";
export const RESTED = "rested=2";

const POLL_MS = 250;
/** Of both vCPUs together: enough for whole seconds of "Up" to be told from half as many. */
const ENOUGH_SECONDS = 12;

/** The rows of the table, the percentage in its caption, and how long the domain has been up, all of one look. */
const LOOK = `({
  rows: [...document.querySelectorAll(".processors tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent)),
  compiled: document.querySelector(".processors caption").textContent,
  up: [...document.querySelectorAll(".domain .figures div")].find((figure) => figure.textContent.startsWith("Up")).lastChild.textContent,
})`;

interface Look {
  readonly pcpus: readonly string[];
  readonly cpuSeconds: readonly number[];
  readonly compiledPercent: number;
  readonly upSeconds: number;
}

type Evaluate = (expression: string) => Promise<unknown>;

async function look(evaluate: Evaluate): Promise<Look> {
  const { rows, compiled, up } = (await evaluate(LOOK)) as { rows: string[][]; compiled: string; up: string };
  return {
    pcpus: rows.flatMap(([, state, pcpu]) => (state === "running" ? pcpu! : [])),
    cpuSeconds: rows.map((row) => Number(row[3])),
    compiledPercent: Number(/[\d.]+/.exec(compiled)),
    upSeconds: up.split(":").reduce((seconds, part) => seconds * 60 + Number(part), 0),
  };
}

async function lookUntil(evaluate: Evaluate, what: string, isRight: (seen: Look) => boolean): Promise<Look> {
  const deadline = Date.now() + STEP_MS;
  for (;;) {
    const seen = await look(evaluate);
    if (isRight(seen)) return seen;
    assert.ok(Date.now() < deadline, `${what}: ${JSON.stringify(seen)}`);
    await sleep(POLL_MS);
  }
}

/** Asserts that both vCPUs of the page's one guest, which has two busy processes, are run at once. */
export async function assertBothRun(evaluate: Evaluate): Promise<void> {
  const first = await lookUntil(evaluate, "two vCPUs on two pCPUs", ({ pcpus }) => new Set(pcpus).size === 2);
  const grownBy = ({ cpuSeconds }: Look) => cpuSeconds.map((seconds, vcpu) => seconds - first.cpuSeconds[vcpu]!);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const last = await lookUntil(evaluate, "work", (seen) => sum(grownBy(seen)) >= ENOUGH_SECONDS);
  const grown = grownBy(last);
  const elapsed = last.upSeconds - first.upSeconds;
  // One pCPU gives as many seconds as pass, however many vCPUs share it.
  assert.ok(sum(grown) > 1.5 * elapsed, `vCPUs ran for ${grown} s in ${elapsed} s`);
  for (const seconds of grown) assert.ok(seconds > ENOUGH_SECONDS / 4, `vCPUs ran for ${grown} s`);
  assert.ok(last.compiledPercent > 0, "no compiled code ran");
}
