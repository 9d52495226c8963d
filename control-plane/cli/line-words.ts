/** What `xl network-set` is told of a line: `link=down`, `rate=1Mb/s`, `loss=1%`, `in.delay=20ms`. */
import { type LineImpairment, parseVifSpec, type VifChange, type VifInfo } from "../api/index.js";
import { usageError } from "./errors.js";
import { didYouMean } from "./suggest.js";

/** Of the guest: what it sends, and what it gets. */
const DIRECTIONS = ["out", "in"] as const;
type Direction = (typeof DIRECTIONS)[number];

type Rate = { readonly rateBytesPerSecond: number; readonly rateWindowUs?: number };
type Read = (text: string, word: string) => number;

const KEYS: Readonly<Record<string, readonly [keyof LineImpairment, Read]>> = {
  delay: ["delayMs", readTime],
  jitter: ["jitterMs", readTime],
  loss: ["loss", readShare],
  duplicate: ["duplicate", readShare],
  reorder: ["reorder", readShare],
  corrupt: ["corrupt", readShare],
};
const WORDS = ["link", "rate", ...Object.keys(KEYS), "perfect"];

/** The change that the words ask for; what they do not name stays as `vif` has it. */
export function readChange(words: readonly string[], vif: Pick<VifInfo, "fromGuest" | "toGuest">): VifChange {
  const lines: Record<Direction, LineImpairment> = { out: vif.fromGuest, in: vif.toGuest };
  let change: VifChange = {};
  for (const word of words) {
    const [, direction, key, value] = /^(?:(in|out)\.)?([a-z]+)(?:=(.*))?$/.exec(word) ?? [];
    const both = direction === undefined ? DIRECTIONS : [direction as Direction];
    if (key === "perfect" && value === undefined) for (const each of both) lines[each] = {};
    else if (key === "link" && direction === undefined) change = { ...change, linkUp: readLink(value, word) };
    else if (key === "rate" && direction !== "in") change = { ...change, ...readRate(value, word) };
    else if (key === "rate") lines.in = { ...lines.in, rateBytesPerSecond: readLineRate(value, word) };
    else if (key !== undefined && value !== undefined && Object.hasOwn(KEYS, key)) {
      const [name, read] = KEYS[key]!;
      for (const each of both) lines[each] = { ...lines[each], [name]: read(value, word) };
    } else throw usageError(`"${word}": expected ${WORDS.join(", ")}, as in loss=1%${didYouMean(key ?? "", WORDS)}`);
  }
  if (words.length === 0) throw usageError(`say what is to change: ${WORDS.join(", ")}, as in link=down or loss=1%`);
  return { ...change, fromGuest: lines.out, toGuest: lines.in };
}

function readLink(text: string | undefined, word: string): boolean {
  if (text === "up" || text === "down") return text === "up";
  throw usageError(`"${word}": expected link=up or link=down`);
}

function readRate(text: string | undefined, word: string): Rate {
  if (text === "none") return { rateBytesPerSecond: 0 };
  const result = parseVifSpec(`rate=${text ?? ""}`);
  if (result.ok) {
    const { rateBytesPerSecond, rateWindowUs } = result.vif;
    return { rateBytesPerSecond: rateBytesPerSecond!, ...(rateWindowUs === undefined ? {} : { rateWindowUs }) };
  }
  throw usageError(`"${word}": ${result.fault.message}; "rate=none" takes the limit away`);
}

/** Of a line, which lets frames through one after the other. */
function readLineRate(text: string | undefined, word: string): number {
  const { rateBytesPerSecond, rateWindowUs } = readRate(text, word);
  if (rateWindowUs === undefined) return rateBytesPerSecond;
  throw usageError(`"${word}": expected no window: only what the guest sends is counted in windows`);
}

function readTime(text: string, word: string): number {
  const match = /^(\d+(?:\.\d+)?)(us|ms|s)$/.exec(text);
  if (match === null) throw usageError(`"${word}": expected a time, as in 20ms or 0.5s`);
  return Number(match[1]) * { us: 1e-3, ms: 1, s: 1e3 }[match[2] as "us" | "ms" | "s"];
}

function readShare(text: string, word: string): number {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text);
  const share = match === null ? Number.NaN : Number(match[1]) / 100;
  if (share >= 0 && share <= 1) return share;
  throw usageError(`"${word}": expected per cent from 0% to 100%, as in 0.5%`);
}
