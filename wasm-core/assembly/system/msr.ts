/**
 * RDMSR and WRMSR. Both return false for #GP(0): an unknown register, a reserved bit, an illegal value.
 * [SDM] vol. 4; 3A 11 for the local APIC, 3A 12.11 for MTRRs, 3B 16 for machine check.
 */
import { SegIndex, Vcpu, VcpuOff } from "../gen/layout";
import { ARCH_CAPABILITIES_VALUE, MiscEnable, Msr, MTRR_CAP_VALUE, PLATFORM_INFO_VALUE } from "../cpu/msr";
import { segReg } from "../cpu/regs";
import {
  lapicMsrRead,
  lapicMsrReadable,
  lapicMsrWrite,
  lapicSetBase,
  lapicTscDeadlineRead,
  lapicTscDeadlineWrite,
} from "../irq/lapic";
import { isCanonical } from "../mmu/canonical";
import { machineTime } from "../util/host";
import { setEfer } from "./control-regs";
import { updateTime, writeHypercallPage } from "./hooks";
import { readMachineCheck, writeMachineCheck } from "./machine-check";
import { readMtrr, writeMtrr } from "./mtrr";

const X2APIC_ENABLED: u64 = 0xc00;
/** IBRS, STIBP, SSBD */
const SPEC_CTRL_WRITABLE: u64 = 0x407;
/** Lock bit: nothing else of IA32_FEATURE_CONTROL exists. */
const FEATURE_CONTROL_LOCKED: u64 = 1;
/** LBR and BTF, which have no effect. */
const DEBUG_CTL_WRITABLE: u64 = 3;
const RING3_MWAIT: u64 = 2;
/** No supervisor state components. */
const XSS_WRITABLE: u64 = 0;

/** The guest's time-stamp counter: 1 GHz. */
export function guestTsc(cpu: Vcpu): u64 {
  return machineTime() + cpu.tscOffset;
}

function give(cpu: Vcpu, value: u64): bool {
  cpu.msrValue = value;
  return true;
}

/** RDMSR: the value is left in cpu.msrValue. */
export function readMsr(cpu: Vcpu, msr: u32): bool {
  if (msr >= Msr.X2APIC_FIRST && msr <= Msr.X2APIC_LAST) {
    if ((cpu.apicBase & X2APIC_ENABLED) != X2APIC_ENABLED || !lapicMsrReadable(msr)) return false;
    return give(cpu, lapicMsrRead(cpu, msr));
  }
  switch (msr) {
    case Msr.TSC:
      return give(cpu, guestTsc(cpu));
    case Msr.PLATFORM_ID:
      return give(cpu, 0);
    case Msr.APIC_BASE:
      return give(cpu, cpu.apicBase);
    case Msr.SMI_COUNT:
      return give(cpu, 0);
    case Msr.FEATURE_CONTROL:
      return give(cpu, FEATURE_CONTROL_LOCKED);
    case Msr.TSC_ADJUST:
      return give(cpu, cpu.tscAdjust);
    case Msr.SPEC_CTRL:
      return give(cpu, cpu.specCtrl);
    case Msr.BIOS_SIGN_ID:
      return give(cpu, cpu.microcode);
    case Msr.PLATFORM_INFO:
      return give(cpu, PLATFORM_INFO_VALUE);
    case Msr.MTRR_CAP:
      return give(cpu, MTRR_CAP_VALUE);
    case Msr.ARCH_CAPABILITIES:
      return give(cpu, ARCH_CAPABILITIES_VALUE);
    case Msr.MISC_FEATURES:
      return give(cpu, cpu.miscFeatures);
    case Msr.SYSENTER_CS:
      return give(cpu, cpu.sysenterCs);
    case Msr.SYSENTER_ESP:
      return give(cpu, cpu.sysenterEsp);
    case Msr.SYSENTER_EIP:
      return give(cpu, cpu.sysenterEip);
    case Msr.PERF_STATUS:
      return give(cpu, PLATFORM_INFO_VALUE & 0xff00);
    case Msr.MISC_ENABLE:
      return give(cpu, cpu.miscEnable | MiscEnable.READ_ONLY);
    case Msr.DEBUG_CTL:
      return give(cpu, cpu.debugCtl);
    case Msr.PAT:
      return give(cpu, cpu.pat);
    case Msr.TSC_DEADLINE:
      return give(cpu, lapicTscDeadlineRead(cpu));
    case Msr.XSS:
      return give(cpu, 0);
    case Msr.EFER:
      return give(cpu, cpu.efer);
    case Msr.STAR:
      return give(cpu, cpu.star);
    case Msr.LSTAR:
      return give(cpu, cpu.lstar);
    case Msr.CSTAR:
      return give(cpu, cpu.cstar);
    case Msr.FMASK:
      return give(cpu, cpu.fmask);
    case Msr.FS_BASE:
      return give(cpu, segReg(cpu, SegIndex.FS).base);
    case Msr.GS_BASE:
      return give(cpu, segReg(cpu, SegIndex.GS).base);
    case Msr.KERNEL_GS_BASE:
      return give(cpu, cpu.kernelGsBase);
    case Msr.TSC_AUX:
      return give(cpu, cpu.tscAux);
    default:
      return readMachineCheck(cpu, msr) || readMtrr(cpu, msr);
  }
}

/** WRMSR. */
export function writeMsr(cpu: Vcpu, msr: u32, value: u64): bool {
  if (msr >= Msr.X2APIC_FIRST && msr <= Msr.X2APIC_LAST) {
    return (cpu.apicBase & X2APIC_ENABLED) == X2APIC_ENABLED && lapicMsrWrite(cpu, msr, value);
  }
  switch (msr) {
    case Msr.TSC:
      return moveTsc(cpu, value - guestTsc(cpu));
    case Msr.APIC_BASE:
      return lapicSetBase(cpu, value);
    case Msr.FEATURE_CONTROL:
      return false;
    case Msr.TSC_ADJUST:
      return moveTsc(cpu, value - cpu.tscAdjust);
    case Msr.SPEC_CTRL:
      return put(cpu, VcpuOff.specCtrl, value, SPEC_CTRL_WRITABLE);
    case Msr.PRED_CMD:
      return (value & ~1) == 0;
    case Msr.BIOS_UPDATE:
      return true;
    case Msr.BIOS_SIGN_ID:
      return put(cpu, VcpuOff.microcode, value, <u64>-1);
    case Msr.MISC_FEATURES:
      return put(cpu, VcpuOff.miscFeatures, value, RING3_MWAIT);
    case Msr.SYSENTER_CS:
      return put(cpu, VcpuOff.sysenterCs, value & 0xffffffff, 0xffffffff);
    case Msr.SYSENTER_ESP:
      return putAddress(cpu, VcpuOff.sysenterEsp, value);
    case Msr.SYSENTER_EIP:
      return putAddress(cpu, VcpuOff.sysenterEip, value);
    case Msr.MISC_ENABLE:
      return setMiscEnable(cpu, value);
    case Msr.DEBUG_CTL:
      return put(cpu, VcpuOff.debugCtl, value, DEBUG_CTL_WRITABLE);
    case Msr.PAT:
      return setPat(cpu, value);
    case Msr.TSC_DEADLINE:
      lapicTscDeadlineWrite(cpu, value);
      return true;
    case Msr.XSS:
      return (value & ~XSS_WRITABLE) == 0;
    case Msr.XEN_HYPERCALL:
      return writeHypercallPage(cpu, value);
    case Msr.EFER:
      return setEfer(cpu, value);
    case Msr.STAR:
      return put(cpu, VcpuOff.star, value, <u64>-1);
    case Msr.LSTAR:
      return putAddress(cpu, VcpuOff.lstar, value);
    case Msr.CSTAR:
      return putAddress(cpu, VcpuOff.cstar, value);
    case Msr.FMASK:
      return put(cpu, VcpuOff.fmask, value, 0xffffffff);
    case Msr.FS_BASE:
      return setBase(cpu, SegIndex.FS, value);
    case Msr.GS_BASE:
      return setBase(cpu, SegIndex.GS, value);
    case Msr.KERNEL_GS_BASE:
      return putAddress(cpu, VcpuOff.kernelGsBase, value);
    case Msr.TSC_AUX:
      return put(cpu, VcpuOff.tscAux, value, 0xffffffff);
    default:
      return writeMachineCheck(cpu, msr, value) || writeMtrr(cpu, msr, value);
  }
}

function put(cpu: Vcpu, off: usize, value: u64, allowed: u64): bool {
  if (value & ~allowed) return false;
  store<u64>(changetype<usize>(cpu) + off, value);
  return true;
}

function putAddress(cpu: Vcpu, off: usize, value: u64): bool {
  if (!isCanonical(value)) return false;
  store<u64>(changetype<usize>(cpu) + off, value);
  return true;
}

function setBase(cpu: Vcpu, seg: u32, value: u64): bool {
  if (!isCanonical(value)) return false;
  segReg(cpu, seg).base = value;
  return true;
}

/** A write to the counter shows in IA32_TSC_ADJUST and the other way round, and in what turns the counter into time. */
function moveTsc(cpu: Vcpu, delta: u64): bool {
  cpu.tscOffset += delta;
  cpu.tscAdjust += delta;
  updateTime(cpu, cpu);
  return true;
}

function setMiscEnable(cpu: Vcpu, value: u64): bool {
  if (value & ~(MiscEnable.WRITABLE | MiscEnable.READ_ONLY)) return false;
  cpu.miscEnable = value & MiscEnable.WRITABLE;
  return true;
}

/** Each byte is a memory type: 0, 1, 4, 5, 6 or 7. */
function setPat(cpu: Vcpu, value: u64): bool {
  for (let i: u64 = 0; i < 64; i += 8) {
    const type = (<u32>(value >> i)) & 0xff;
    if (type > 7 || type == 2 || type == 3) return false;
  }
  cpu.pat = value;
  return true;
}
