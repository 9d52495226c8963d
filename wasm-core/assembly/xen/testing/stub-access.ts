/** Stand-in for mmu/access: guest-virtual addresses are guest-physical ones. */
import { Access, Domain, Vcpu } from "../gen/layout";
import { p2mHasFrame, p2mMfn, p2mResolve } from "../mem/p2m";

function copy(cpu: Vcpu, gva: u64, host: usize, n: u32, out: bool): bool {
  while (n != 0) {
    const part = min<u32>(n, 4096 - ((<u32>gva) & 4095));
    const entry = p2mResolve(changetype<Domain>(<usize>cpu.domain), gva >> 12, out ? Access.WRITE : Access.READ);
    if (!p2mHasFrame(entry)) return false;
    const at = ((<usize>p2mMfn(entry)) << 12) + <usize>(gva & 4095);
    if (out) memory.copy(at, host, part);
    else memory.copy(host, at, part);
    gva += part;
    host += part;
    n -= part;
  }
  return true;
}

export function copyFromGuest(cpu: Vcpu, dst: usize, gva: u64, n: u32): bool {
  return copy(cpu, gva, dst, n, false);
}

export function copyToGuest(cpu: Vcpu, gva: u64, src: usize, n: u32): bool {
  return copy(cpu, gva, src, n, true);
}
