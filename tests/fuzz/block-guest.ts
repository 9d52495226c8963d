/**
 * A guest with a block front end that the test plays: the kernel maps its first grant frame, opens a channel to Domain0 and
 * rings it for ever; grants, rings, requests and keys are written from outside, into the guest's own memory.
 */
import type { DomId } from "../../control-plane/api/index.js";
import {
  abiOf,
  type BlkRequest,
  type BlkResponse,
  readResponse,
  writeRequest,
} from "../../control-plane/backends/blk/codec.js";
import { MachineMemory } from "../../control-plane/core-link/index.js";
import { FrontRing } from "../../control-plane/ring/index.js";
import { Assembler, pvhElf } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import type { OneThreadMachine } from "./one-thread.js";

const ORIGIN = 0x100000;
const GRANT_GFN = 0x380;
const PAGE = 4096;
const GRANT_ENTRY = 8;
const PERMIT = 1;
const READ_ONLY = 4;
/** Guest pages that are rings, and those that requests may move. */
const RING_GFN = 0x200;
export const DATA_GFN = 0x210;
export const DATA_PAGES = 48;
const RING_REF = 8;
/** Of a page, with 112 bytes each. */
const RING_SLOTS = 32;
export const DATA_REF = 16;
export const XVDA = 51712;

// [XEN] memory.h add_to_physmap (7) of the grant table's frame 0; event_channel.h alloc_unbound (6), send (4); sched.h yield.
const SOURCE = `
.code32
entry:
  mov esp, stack_top
  mov eax, 12
  mov ebx, 7
  mov ecx, physmap
  vmcall
  mov eax, 32
  mov ebx, 6
  mov ecx, unbound
  vmcall
  mov eax, [unbound + 4]
  mov [port], eax
1: mov eax, 32
  mov ebx, 4
  mov ecx, port
  vmcall
  mov eax, 29
  mov ebx, 0
  vmcall
  jmp 1b

physmap: .word 0x7ff0, 0
  .long 1, 0, ${GRANT_GFN}
unbound: .word 0x7ff0, 0
  .long 0
port: .long 0
.skip 256
stack_top: .quad 0
`;

export interface BlockKernel {
  readonly elf: Uint8Array;
  /** Guest address of the port. */
  readonly portAt: number;
}

export async function blockKernel(): Promise<BlockKernel> {
  const image = new Assembler(await loadTable()).assemble(SOURCE, { origin: ORIGIN });
  return { elf: pvhElf(image, Number(image.symbols.get("entry"))), portAt: Number(image.symbols.get("port")) };
}

export class BlockGuest {
  readonly abi = abiOf("x86_64-abi")!;
  readonly #memory: MachineMemory;
  readonly #keys: string;
  #ring: FrontRing | null = null;

  private constructor(
    private readonly machine: OneThreadMachine,
    readonly domid: DomId,
    private readonly port: number,
  ) {
    this.#memory = new MachineMemory(machine.core.memory);
    this.#keys = `/local/domain/${domid}/device/vbd/${XVDA}`;
  }

  /** Starts a domain with a disk of its name, and waits for its kernel's channel. */
  static async start(machine: OneThreadMachine, kernel: BlockKernel, name = "guest"): Promise<BlockGuest> {
    const disks = [{ target: `${name}.vhd`, vdev: "xvda" }];
    const config = { name, kernel: kernel.elf, memoryMiB: 4, vcpus: 1, disks };
    const domid = await machine.host.create(config);
    const { call, memory } = machine.core;
    for (let turn = 0; turn < 100; turn++) {
      await machine.run(1);
      const at = call.domainPeek(domid, Math.floor(kernel.portAt / PAGE)) >>> 0;
      const port = at === 0 ? 0 : new DataView(memory.buffer).getUint32(at + (kernel.portAt % PAGE), true);
      if (port !== 0) return new BlockGuest(machine, domid, port);
    }
    throw new Error("the guest's kernel opens no channel");
  }

  /** A guest page, as bytes of the machine's memory. */
  page(gfn: number): Uint8Array {
    const address = this.machine.core.call.domainPage(this.domid, gfn) >>> 0;
    return new Uint8Array(this.machine.core.memory.buffer, address, PAGE);
  }

  /** [XEN] grant_table.h grant_entry_v1 */
  grant(ref: number, gfn: number, flags = PERMIT): void {
    const at = this.machine.core.call.domainPeek(this.domid, GRANT_GFN) >>> 0;
    const view = new DataView(this.machine.core.memory.buffer, at, PAGE);
    view.setUint16(ref * GRANT_ENTRY + 2, 0, true);
    view.setUint32(ref * GRANT_ENTRY + 4, gfn, true);
    view.setUint16(ref * GRANT_ENTRY, flags, true);
  }

  grantData(): void {
    for (let i = 0; i < DATA_PAGES; i++)
      this.grant(DATA_REF + i, DATA_GFN + i, i % 8 === 7 ? PERMIT | READ_ONLY : PERMIT);
  }

  /** Connects with a fresh ring, whatever was before. */
  async connect(): Promise<void> {
    this.write("state", "6");
    await this.machine.run(8);
    this.write("state", "1");
    this.grantData();
    this.grant(RING_REF, RING_GFN);
    this.page(RING_GFN).fill(0);
    const address = this.machine.core.call.domainPage(this.domid, RING_GFN) >>> 0;
    const { slotBytes } = this.abi;
    this.#ring = new FrontRing({ memory: this.#memory, address, bytes: PAGE, pages: [address], slotBytes });
    this.#ring.initialise();
    this.write("ring-ref", String(RING_REF));
    this.write("event-channel", String(this.port));
    this.write("protocol", "x86_64-abi");
    this.write("state", "3");
    await this.machine.run(8);
    this.write("state", "4");
    await this.machine.run(8);
  }

  write(key: string, value: string): void {
    this.machine.toolstack.store.local.write(`${this.#keys}/${key}`, value);
  }

  /** The back end's own state. */
  get state(): string | null {
    return this.machine.toolstack.store.local.read(`/local/domain/0/backend/vbd/${this.domid}/${XVDA}/state`);
  }

  push(requests: readonly BlkRequest[]): void {
    const slots = requests.map((request) => {
      const bytes = new Uint8Array(this.abi.slotBytes);
      writeRequest(this.abi, new DataView(bytes.buffer), request);
      return bytes;
    });
    this.#ring!.pushRequests(slots);
  }

  /** The whole ring, to write anything into. */
  get ringBytes(): Uint8Array {
    return this.page(RING_GFN);
  }

  /** At most a ring of them: where it was spoiled, there seem to be more. */
  responses(): BlkResponse[] {
    const found: BlkResponse[] = [];
    for (let i = 0; i < RING_SLOTS; i++) {
      const slot = this.#ring!.takeResponse();
      if (slot === undefined) break;
      found.push(readResponse(new DataView(slot.buffer)));
    }
    return found;
  }
}
