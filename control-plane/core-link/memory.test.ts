import { describe, expect, it } from "vitest";
import { MachineMemory } from "./index.js";

const PAGE = 65536;
const numbers = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => (i * 7 + 1) & 255);

/** Memory of one thread, whose buffers are of no use any more when it has grown. */
function growing(): { readonly memory: MachineMemory; grow(): void } {
  const source = new WebAssembly.Memory({ initial: 1 });
  return { memory: new MachineMemory(source), grow: () => void source.grow(1) };
}

describe.each([0, 1, 2, 3])("at an address that is %i beyond a word", (odd) => {
  it.each([0, 1, 3, 4, 7, 32, 33, 160])("%i bytes are copied out, in and within", (length) => {
    const { memory } = growing();
    const bytes = numbers(length);
    memory.write(1000 + odd, bytes);
    const out = new Uint8Array(length + 2);
    memory.read(1000 + odd, out, length);
    expect(out).toEqual(Uint8Array.from([...bytes, 0, 0]));
    const view = new DataView(new ArrayBuffer(length + 2));
    memory.fetch(1000 + odd, view, 1, length);
    expect([...new Uint8Array(view.buffer)]).toEqual([0, ...bytes, 0]);
    memory.put(2001 + odd, view, 1, length);
    memory.move(3000, 2001 + odd, length);
    expect([...memory.copy(2999, length + 2)]).toEqual([0, ...bytes, 0]);
  });
});

it("memory that has grown is reached, where it was and where it is new", () => {
  const { memory, grow } = growing();
  memory.write(8, numbers(8));
  const view = new DataView(new ArrayBuffer(8));
  grow();
  memory.fetch(8, view, 0, 8);
  expect(new Uint8Array(view.buffer)).toEqual(numbers(8));
  grow();
  memory.put(2 * PAGE + 8, view, 0, 8);
  grow();
  memory.move(3 * PAGE, 2 * PAGE + 8, 8);
  grow();
  const bytes = new Uint8Array(8);
  memory.read(3 * PAGE, bytes, 8);
  expect(bytes).toEqual(numbers(8));
});
