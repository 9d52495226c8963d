/** Doors between regions and JavaScript, which cannot make or call what takes a vector: functions of WebAssembly that leave it out or add it. */
import { DOORS, type DoorName } from "../doors.js";
import { Code } from "../wasm/code.js";
import { moduleBytes } from "../wasm/module.js";
import { Type } from "../wasm/ops.js";

/** A door as JavaScript sees it: i64 are bigints. */
export type JsDoor = (...args: (number | bigint)[]) => number;

/** Functions of one shape that call those of another, by name. */
function adapters(names: readonly DoorName[], functions: object, toVector: boolean): Record<string, unknown> {
  const doors = DOORS.filter(({ name }) => names.includes(name));
  const shapes = doors.flatMap(({ params }) => [params, [...params, Type.V128]]);
  const bodies = doors.map(({ params }, n) => {
    const code = new Code();
    for (let i = 0; i < params.length; i++) code.get(i);
    if (toVector) code.v128(0n, 0n);
    return { type: 2 * n + (toVector ? 0 : 1), locals: [], code: code.call(n).end().bytes() };
  });
  const bytes = moduleBytes({
    types: shapes.map((params) => ({ params, results: [Type.I32] })),
    imports: doors.map(({ name }, n) => ({ module: "to", name, type: 2 * n + (toVector ? 1 : 0) })),
    memory: { initial: 1, maximum: 65536 },
    functions: bodies,
  });
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes.slice()), {
    env: { memory },
    to: functions as WebAssembly.ModuleImports,
  });
  return Object.fromEntries(doors.map(({ name }, n) => [name, exports[n]]));
}

/** Doors that regions can import, of functions of JavaScript. */
export const importable = (doors: Partial<Record<DoorName, JsDoor>>): Record<string, WebAssembly.ExportValue> =>
  adapters(Object.keys(doors) as DoorName[], doors, false) as Record<string, WebAssembly.ExportValue>;

/** Doors of the core that JavaScript can call. */
export const callable = <N extends DoorName>(
  core: Readonly<Record<N, unknown>>,
  names: readonly N[],
): Record<N, JsDoor> => adapters(names, core, true) as Record<N, JsDoor>;
