/**
 * The hypercall page of older guests: a stub of 32 bytes for each number, put into a guest page when the guest writes
 * its address to MSR 0x40000000. [XEN] arch-x86/cpuid.h
 */
import { Vcpu } from "../gen/layout";
import { is64 } from "../cpu/modes";
import { domainOfVcpu } from "../mem/domains";
import { frameAddress, frameOf, framePut, frameRetire } from "../mem/frames";
import { p2mMfn } from "../mem/p2m";
import { pinToWrite } from "../mmu/monitor";
import { latchInfoLayout } from "./time";

const STUB_BYTES: usize = 32;
const INDEX_MASK: u64 = 0xfff;
/** HYPERVISOR_iret makes no sense in an HVM guest: its stub is UD2. */
const IRET: u32 = 23;
const UD2: u16 = 0x0b0f;
const INT3: u8 = 0xcc;

/** Writes page `value & 0xfff` (there is one) to guest-physical `value & ~0xfff`. False for a bad value: #GP. */
export function writeHypercallPage(cpu: Vcpu, value: u64): bool {
  if ((value & INDEX_MASK) != 0) return false;
  const entry = pinToWrite(domainOfVcpu(cpu), value >> 12);
  if (entry == 0) return false;
  const mfn = p2mMfn(entry);
  const page = frameAddress(mfn);
  memory.fill(page, INT3, 4096);
  for (let nr: u32 = 0; nr < 4096 / <u32>STUB_BYTES; nr++) {
    const at = page + <usize>nr * STUB_BYTES;
    if (nr == IRET) {
      store<u16>(at, UD2);
      continue;
    }
    // mov eax, nr; vmcall; ret
    store<u8>(at, 0xb8);
    store<u32>(at + 1, nr);
    store<u32>(at + 5, 0xc3c1010f);
  }
  frameRetire(frameOf(mfn));
  framePut(mfn);
  latchInfoLayout(domainOfVcpu(cpu), !is64(cpu));
  return true;
}
