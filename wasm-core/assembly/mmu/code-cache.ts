/** Where the machine's cache of decoded blocks lies. */
import { CodeCache, CodeCacheOff, MachineOff } from "../gen/layout";
import { machine } from "../util/host";

@inline
export function codeCache(): CodeCache {
  return changetype<CodeCache>(<usize>load<u32>(changetype<usize>(machine()) + MachineOff.run));
}

/** The spinlock of locked accesses that wasm atomics cannot do. */
@inline
export function splitLockAddress(): usize {
  return changetype<usize>(codeCache()) + CodeCacheOff.splitLock;
}
