/**
 * Writes the C source of the program with much code: 1500 functions, all different and called through a table, and an
 * interpreter of a byte code whose script calls them. Thousands of basic blocks stay in use. Always the same text.
 */
import { Random } from "../support/random.js";

const SCRIPT_WORDS = 3000;
const STATEMENTS = 8;

/** A number below the given one. */
type Draw = (below: number) => number;

const STATEMENT_KINDS: readonly ((draw: Draw) => string)[] = [
  (r) => `x += y * ${r(60_000) + 3}u;`,
  (r) => `x ^= x >> ${r(15) + 1};`,
  (r) => `y = (y << ${r(15) + 1}) ^ x;`,
  (r) => `if (x & ${1 << r(12)}u) y = y * 3 + ${r(5000)}u; else y ^= x << ${r(7) + 1};`,
  (r) => `table[(x >> ${r(8)}) & 255] += y;`,
  (r) => `x -= table[(y + ${r(256)}) & 255];`,
  (r) => `if ((x ^ y) % ${r(20) + 3}u == 0) return x + ${r(900)}u;`,
  (r) => `for (int i = 0; i < ${r(3) + 1}; i++) y += x >> (i + ${r(8)});`,
];

function functionText(index: number, draw: Draw): string {
  const body = Array.from({ length: STATEMENTS }, () => STATEMENT_KINDS[draw(STATEMENT_KINDS.length)]!(draw));
  return `static u32 f${index}(u32 x, u32 y) {\n  ${body.join("\n  ")}\n  return x ^ y;\n}\n`;
}

/** Operations of the byte code; each uses registers a and b and the constant k of its word. */
const OPERATIONS: readonly string[] = [
  "r[a] += r[b];",
  "r[a] ^= r[b] + k;",
  "r[a] = (r[b] << (k & 31)) | (r[b] >> (-k & 31));",
  "r[a] -= r[b] * (k + 1);",
  "r[a] = table[r[b] & 255];",
  "table[r[a] & 255] = r[b];",
  "if (r[a] & 1) pc += k & 3;",
  "if (r[a] > r[b]) pc += k & 7;",
  "r[a] = functions[r[b] % FUNCTIONS](r[a], k);",
  "r[a] = functions[(r[b] >> 8) % FUNCTIONS](k, r[a]);",
  "r[a] = functions[(pc * 37 + k) % FUNCTIONS](r[a], r[b]);",
  "r[a] = r[a] < r[b] ? r[b] - r[a] : k;",
];

/** @param count functions */
export function bigCodeSource(count = 1500): string {
  const random = new Random(0x0b16c0de);
  const draw: Draw = (below) => random.below(below);
  const functions = Array.from({ length: count }, (_, i) => functionText(i, draw));
  const script = Array.from(
    { length: SCRIPT_WORDS },
    () => draw(OPERATIONS.length) | (draw(16) << 8) | (draw(16) << 16) | (draw(128) << 24),
  );
  const cases = OPERATIONS.map((text, i) => `      case ${i}: ${text} break;`);
  return `#include "runtime.h"
enum { FUNCTIONS = ${count}, SCRIPT = ${SCRIPT_WORDS} };
static u32 table[256], r[16];
${functions.join("")}
static u32 (*const functions[FUNCTIONS])(u32, u32) = {${functions.map((_, i) => `f${i}`).join(", ")}};
static const u32 script[SCRIPT] = {${script.map((word) => `${word}u`).join(", ")}};

static void run(void) {
  for (u32 pc = 0; pc < SCRIPT; pc++) {
    u32 code = script[pc], a = (code >> 8) & 15, b = (code >> 16) & 15, k = code >> 24;
    switch (code & 255) {
${cases.join("\n")}
    }
  }
}

int program(int argc, char **argv) {
  if (argc < 2) return 2;
  u32 sum = 0;
  for (u32 i = 0; i < 256; i++) table[i] = i * 2654435761u;
  for (u32 n = number(argv[1]); n != 0; n--) {
    r[n & 15] ^= n;
    run();
    sum = sum * 31 + r[0];
  }
  return result(sum);
}
`;
}
