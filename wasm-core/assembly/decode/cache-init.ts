/** Lays out the cache of decoded blocks when the machine starts. */
import {
  CODE_ARENA_BYTES,
  CODE_BUCKETS,
  CodeCache,
  CodeCache_SIZE,
  MachineOff,
  Status,
  TLB_BYTES,
  Vcpu,
} from "../gen/layout";
import { QUICK, QUICK_COUNT } from "../gen/handlers";
import { heapPages, orderOf } from "../mem/heap";
import { machine } from "../util/host";
import { clearArena } from "./arena";
import { placeIn, Rec } from "./record";

/** The record after a block's last instruction, and every record of a block that became stale: look again from here. */
function blockEnd(cpu: Vcpu, rec: Rec): i32 {
  return Status.RESTART;
}

/** runRecords has handlers as its cases by their places in the function table: asc gives places in the order of mention. */
function checkPlaces(): void {
  for (let i: u32 = 0; i < QUICK_COUNT; i++) {
    if (placeIn(changetype<usize>(QUICK), i) != i + 1) unreachable();
  }
}

/** Allocates the cache; false when there is no memory. Once, after the heap is ready. */
export function codeCacheInit(): bool {
  checkPlaces();
  const at = heapPages(orderOf(<u32>CodeCache_SIZE));
  const buckets = heapPages(orderOf(<u32>CODE_BUCKETS * 4));
  const arena = heapPages(orderOf(<u32>CODE_ARENA_BYTES));
  const empty = heapPages(orderOf(<u32>TLB_BYTES / 2));
  if (at == 0 || buckets == 0 || arena == 0 || empty == 0) return false;
  const cache = changetype<CodeCache>(at);
  cache.buckets = <u32>buckets;
  cache.arena = <u32>arena;
  cache.arenaEnd = <u32>arena + <u32>CODE_ARENA_BYTES;
  clearArena(cache);
  memory.fill(empty, 0xff, TLB_BYTES / 2);
  cache.emptyTlb = <u32>empty;
  const end: (cpu: Vcpu, rec: Rec) => i32 = blockEnd;
  cache.endFn = load<u32>(changetype<usize>(end));
  store<u32>(changetype<usize>(machine()) + MachineOff.run, <u32>at);
  return true;
}
