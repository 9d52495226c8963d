/**
 * A guest that arms its watchdog and then hangs with interrupts off, on the real core with the real Domain0: it is ended
 * with the reason "watchdog", and on_watchdog says what comes then.
 */
import { describe, expect, it } from "vitest";
import type { DomId, HostEvent, LifecycleAction } from "../../control-plane/api/index.js";
import { Assembler, pvhElf } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { OneThreadMachine } from "../fuzz/one-thread.js";

const ORIGIN = 0x100000;
const FRAMES = 4096;
const SEED = 1;
/** Guest code: SCHEDOP_watchdog {id 0, 2 s}, and again with the id it got and 3 s; then it waits for nothing. */
const PROGRAM = `
.code32
entry:
  mov eax, 29
  mov ebx, 6
  mov ecx, op
  vmcall
  mov [op], eax
  mov dword ptr [op + 4], 3
  mov eax, 29
  vmcall
1: sti
  hlt
  jmp 1b
.align 4
op: .long 0, 2
`;

async function hang(onWatchdog: LifecycleAction | undefined, maxTurns = 40) {
  const image = new Assembler(await loadTable()).assemble(PROGRAM, { origin: ORIGIN });
  const kernel = pvhElf(image, Number(image.symbols.get("entry")));
  const machine = await OneThreadMachine.create(FRAMES, SEED);
  const events: HostEvent[] = [];
  await machine.host.subscribe((event) => void events.push(event));
  const config = { name: "hangs", kernel, memoryMiB: 4, vcpus: 1, onCrash: "preserve" as const };
  const domid = await machine.host.create({ ...config, ...(onWatchdog ? { onWatchdog } : {}) });
  const ended = () => events.find((event) => event.kind === "domain-shutdown");
  for (let i = 0; i < maxTurns && !ended(); i++) await machine.run(1);
  await machine.run(16);
  return { machine, domid, ended: ended(), events };
}

describe("a guest that its watchdog ends", () => {
  it("is destroyed, unless the configuration says otherwise", async () => {
    const { machine, domid, ended } = await hang(undefined);
    expect(ended).toMatchObject({ kind: "domain-shutdown", domid, reason: "watchdog" });
    // Three seconds after the second call, which was made at once.
    expect(machine.core.call.machineNow()).toBeGreaterThan(3e9);
    expect(machine.core.call.machineNow()).toBeLessThan(3.2e9);
    expect(await machine.host.list()).toEqual([]);
  });

  it("stays and says why, with preserve", async () => {
    const { machine, domid } = await hang("preserve");
    expect(await machine.host.list()).toMatchObject([{ domid, state: "shutdown", shutdownReason: "watchdog" }]);
  });

  it("is started again, with restart", async () => {
    const { machine, domid, events } = await hang("restart");
    const next = (await machine.host.list())[0]!;
    expect(next.name).toBe("hangs");
    expect(next.domid).not.toBe(domid);
    expect(events).toContainEqual({ kind: "domain-created", domid: next.domid, restartOf: domid as DomId });
  });
});
