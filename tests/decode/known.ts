/** Where the core and objdump may disagree, each with the reason. Everything else is a mistake of ours. */
import type { Decoded } from "./decoder.js";
import type { Disassembled } from "./objdump.js";

export interface Known {
  readonly why: string;
  /** Whether this explains the difference. `hex` is the sample. */
  readonly when: (ours: Decoded, theirs: Disassembled, hex: string) => boolean;
}

/** Prefix bytes before an opcode, as a pattern of hex digits. */
const PREFIXES = "(?:66|67|f[023]|2e|36|3e|26|64|65|4.)*";
const opcode = (pattern: string): RegExp => new RegExp(`^${PREFIXES}(?:${pattern})`);

const NOT_OFFERED =
  /\b(v\w+|k(add|and|mov|n?or|not|shift|test|unpck|xn?or|x?or)\w*|a(add|and|x?or)|aes\w+kl|encls|enclu|enclv|femms|pf\w+|pi2f\w|pf2i\w|pmulhrw|pswapd|pavgusb|gf2p8\w+|movdir\w+|enqcmds?|skinit|ptwrite|wru?ssd?q?|rdssp[dq]|incssp[dq]|setssbsy|clrssbsy|rstorssp|saveprevssp|t(dp|ile|pause)\w*|umonitor|umwait|senduipi|clui|stui|testui|uiret|rdpkru|wrpkru|xsusldtrk|xresldtrk|serialize|clgi|stgi|invlpga|invept|pconfig|hreset|cldemote|wbnoinvd|clzero|monitorx|mwaitx|rdpru|mcommit|psmash|pvalidate|rmp\w+|tlbsync|invlpgb|cmpn?\w+xadd|rdmsrlist|wrmsrlist|getsec|rsm|endbr\w*|loadiwkey|encodekey\w+|lwpins|lwpval|llwpcb|slwpcb|bl\w+|t1mskc|tzmsk|bextr|xend|xtest|xabort|xbegin|prefetchit\w|seamcall|seamops|seamret|tdcall|ud[012]|xstore[-\w]*|frstpm|wrmsrns|xcrypt-\w+|montmul|xsha\w+|extrq|insertq|movnts[sd]|invvpid|vm\w+)\b/;

const ALIASES = "d8[c-f]|d9d[89a-f]|dc[d].|ddc[89a-f]|de(d[0-7])|dfc[89a-f]|dfd.";

const PREFIX_SENSITIVE =
  /\b(fx(save|rstor)\w*|xsave\w*|xrstors?\w*|(ld|st)mxcsr|[lms]fence|pmovmskb|mov(nti|msk\w+|nt\w+|h\w+|l\w+)|maskmov\w+|ldmxcsr|rdrand|rdseed|rdpid|emms|clflush|sha\w+|p\w+)\b/;
const REX_AMID = /^(?:66|67|f[023]|2e|36|3e|26|64|65|4.)*4.(?:66|67|f[023]|2e|36|3e|26|64|65)/;
const VEX_PREFIXED = /^(?:67|2e|36|3e|26|64|65)*(?:66|f[023]|4.)(?:66|67|f[023]|2e|36|3e|26|64|65|4.)*(?:c4|c5)/;

export const KNOWN: readonly Known[] = [
  {
    why: "an extension that this processor does not have",
    when: (o, t) => o.undefined && !t.bad && NOT_OFFERED.test(t.text),
  },
  { why: "objdump does not check LOCK", when: (o, t) => o.undefined && /\block\b/.test(t.text) },
  {
    why: "a prefix that makes the opcode undefined, which objdump shows as if it were ignored",
    when: (o, t) => o.undefined && /\b(repn?z|data16|data32)\b/.test(t.text) && PREFIX_SENSITIVE.test(t.text),
  },
  { why: "VEX takes no other prefix before it", when: (o, t, hex) => o.undefined && VEX_PREFIXED.test(hex) && !t.bad },
  { why: "exists in 64-bit mode alone", when: (o, t) => o.undefined && /\b(swapgs|(rd|wr)[fg]sbase)\b/.test(t.text) },
  {
    why: "LOCK MOV CR0 is AMD's CR8 outside 64-bit mode",
    when: (o, t) => o.undefined && /\bcr([15-9]|1[0-5])\b/.test(t.text),
  },
  { why: "fences ignore ModRM.r/m", when: (o, t, hex) => !o.undefined && t.bad && opcode("0fae[ef]").test(hex) },
  {
    why: "FWAIT is an instruction of its own; objdump joins it with the next",
    when: (_o, _t, hex) => opcode("9b").test(hex),
  },
  {
    why: "register forms and memory forms 4 to 7 of 0F 0D are hints",
    when: (o, t, hex) => !o.undefined && t.bad && opcode("0f0d").test(hex),
  },
  {
    why: "without MPX its opcodes are no-operations",
    when: (o, t, hex) => !o.undefined && opcode("0f1[ab]").test(hex) && /\bbnd/.test(t.text),
  },
  {
    why: "SALC and the x87 aliases are not in the manuals",
    when: (o, t, hex) => !o.undefined && t.bad && opcode(`d6|${ALIASES}`).test(hex),
  },
  {
    why: "objdump rejects prefixes that are ignored",
    when: (o, t, hex) => !o.undefined && t.bad && /^(..)*(f2|66)/.test(hex) && opcode("0fb[cd]|0f09").test(hex),
  },
  { why: "test registers are gone since the Pentium", when: (o, t) => o.undefined && /\btr[0-7]\b/.test(t.text) },
  {
    why: "a REX prefix before another prefix counts for nothing; objdump loses the prefixes before it too",
    when: (o, t, hex) => !o.undefined && !t.bad && REX_AMID.test(hex),
  },
];
