/** SSE floating-point comparison: assembly/interp/sse-compare.ts. Operands that raise something are the handler's. */
import { type Emitter, L } from "../emitter.js";
import type { Lowering, Lowerings } from "./lowering.js";
import { control, pushLow, pushWhole, source, sse } from "./sse.js";
import { reloadFlagBits, setFlagBits } from "./sse-flags.js";
import { type Format, orHandler, requireComparable, requireMode, requirePlain } from "./sse-host.js";

/** Predicates 0 to 2 of the control byte; 3, unordered, never holds here. Bit 2 negates. */
const PREDICATES = ["eq", "lt", "le"] as const;

const ordering = (f: Format): Lowering =>
  sse((e, i) => {
    const from = source(e, i.v.row.operands[1]!);
    const a = f === "f64" ? L.D : L.F;
    const b = a + 1;
    const c = e.code;
    orHandler(
      e,
      (slow) => {
        pushLow(e, from, f);
        c.set(b);
        pushLow(e, i.reg, f);
        c.set(a);
        requirePlain(e, f, a, slow);
        requirePlain(e, f, b, slow);
        requireMode(e, slow);
        c.get(a).get(b).op(`${f}.lt`);
        c.get(a).get(b).op(`${f}.eq`).i32(6).op("i32.shl").op("i32.or");
        setFlagBits(e);
      },
      () => reloadFlagBits(e),
    );
  });

const scalar = (f: Format): Lowering =>
  sse((e, i) => {
    const from = source(e, i.v.row.operands[1]!);
    const a = f === "f64" ? L.D : L.F;
    const b = a + 1;
    const predicate = PREDICATES[control(i) & 3];
    const negated = (control(i) & 4) !== 0;
    const c = e.code;
    orHandler(e, (slow) => {
      pushLow(e, from, f);
      c.set(b);
      pushLow(e, i.reg, f);
      c.set(a);
      requirePlain(e, f, a, slow);
      requirePlain(e, f, b, slow);
      requireMode(e, slow);
      e.vectors.push(i.reg);
      c.i32(negated ? -1 : 0).i32(negated ? 0 : -1);
      if (predicate === undefined) c.i32(1);
      else c.get(a).get(b).op(`${f}.${predicate}`).op("i32.eqz");
      c.op("select");
      if (f === "f64") c.op("i64.extend_i32_s").lane("i64x2.replace_lane", 0);
      else c.lane("i32x4.replace_lane", 0);
      e.vectors.set(i.reg);
    });
  });

/** Pushes the mask for L.V and L.W, both ordered. */
function pushMask(e: Emitter, s: "f32x4" | "f64x2", imm: number): void {
  const predicate = PREDICATES[imm & 3];
  if (predicate === undefined) e.code.v128(0n, 0n);
  else e.code.get(L.V).get(L.W).op(`${s}.${predicate}`);
  if (imm & 4) e.code.op("v128.not");
}

const packed = (f: Format): Lowering =>
  sse((e, i) => {
    const from = source(e, i.v.row.operands[1]!);
    const s = f === "f64" ? "f64x2" : "f32x4";
    const c = e.code;
    orHandler(e, (slow) => {
      pushWhole(e, from);
      c.set(L.W);
      e.vectors.push(i.reg);
      requireComparable(e, f, slow);
      pushMask(e, s, control(i));
      e.vectors.set(i.reg);
    });
  });

export const SSE_COMPARE: Lowerings = {
  comiss: ordering("f32"),
  comisd: ordering("f64"),
  ucomiss: ordering("f32"),
  ucomisd: ordering("f64"),
  cmpss: scalar("f32"),
  cmpsd: scalar("f64"),
  cmpps: packed("f32"),
  cmppd: packed("f64"),
};
