/** SSE floating point. [SDM] vol. 1, 10.4, 11.4.1, 11.5, 12.3 to 12.5 */
import { family, op } from "../row.js";

// biome-ignore format: one row a line
export const SSE_ARITH = family("SSE floating-point arithmetic", "sse-arith", "[SDM] vol. 2, ADDPS to SUBSD; vol. 1, 11.5", [
  op("ADDPS Vx+ Wx",    "NP 0F 58 /r", "", "sse f:sse st",  "addps"),
  op("ADDPD Vx+ Wx",    "66 0F 58 /r", "", "sse f:sse2 st", "addpd"),
  op("ADDSS Vd+ Wd",    "F3 0F 58 /r", "", "sse f:sse st",  "addss"),
  op("ADDSD Vq+ Wq",    "F2 0F 58 /r", "", "sse f:sse2 st", "addsd"),
  op("MULPS Vx+ Wx",    "NP 0F 59 /r", "", "sse f:sse st",  "mulps"),
  op("MULPD Vx+ Wx",    "66 0F 59 /r", "", "sse f:sse2 st", "mulpd"),
  op("MULSS Vd+ Wd",    "F3 0F 59 /r", "", "sse f:sse st",  "mulss"),
  op("MULSD Vq+ Wq",    "F2 0F 59 /r", "", "sse f:sse2 st", "mulsd"),
  op("SUBPS Vx+ Wx",    "NP 0F 5C /r", "", "sse f:sse st",  "subps"),
  op("SUBPD Vx+ Wx",    "66 0F 5C /r", "", "sse f:sse2 st", "subpd"),
  op("SUBSS Vd+ Wd",    "F3 0F 5C /r", "", "sse f:sse st",  "subss"),
  op("SUBSD Vq+ Wq",    "F2 0F 5C /r", "", "sse f:sse2 st", "subsd"),
  op("DIVPS Vx+ Wx",    "NP 0F 5E /r", "", "sse f:sse st",  "divps"),
  op("DIVPD Vx+ Wx",    "66 0F 5E /r", "", "sse f:sse2 st", "divpd"),
  op("DIVSS Vd+ Wd",    "F3 0F 5E /r", "", "sse f:sse st",  "divss"),
  op("DIVSD Vq+ Wq",    "F2 0F 5E /r", "", "sse f:sse2 st", "divsd"),
  op("MINPS Vx+ Wx",    "NP 0F 5D /r", "", "sse f:sse st",  "minps"),
  op("MINPD Vx+ Wx",    "66 0F 5D /r", "", "sse f:sse2 st", "minpd"),
  op("MINSS Vd+ Wd",    "F3 0F 5D /r", "", "sse f:sse st",  "minss"),
  op("MINSD Vq+ Wq",    "F2 0F 5D /r", "", "sse f:sse2 st", "minsd"),
  op("MAXPS Vx+ Wx",    "NP 0F 5F /r", "", "sse f:sse st",  "maxps"),
  op("MAXPD Vx+ Wx",    "66 0F 5F /r", "", "sse f:sse2 st", "maxpd"),
  op("MAXSS Vd+ Wd",    "F3 0F 5F /r", "", "sse f:sse st",  "maxss"),
  op("MAXSD Vq+ Wq",    "F2 0F 5F /r", "", "sse f:sse2 st", "maxsd"),
  op("SQRTPS Vx= Wx",   "NP 0F 51 /r", "", "sse f:sse st",  "sqrtps"),
  op("SQRTPD Vx= Wx",   "66 0F 51 /r", "", "sse f:sse2 st", "sqrtpd"),
  op("SQRTSS Vd= Wd",   "F3 0F 51 /r", "", "sse f:sse st",  "sqrtss"),
  op("SQRTSD Vq= Wq",   "F2 0F 51 /r", "", "sse f:sse2 st", "sqrtsd"),
  op("HADDPD Vx+ Wx",   "66 0F 7C /r", "", "sse f:sse3 st", "haddpd"),
  op("HADDPS Vx+ Wx",   "F2 0F 7C /r", "", "sse f:sse3 st", "haddps"),
  op("HSUBPD Vx+ Wx",   "66 0F 7D /r", "", "sse f:sse3 st", "hsubpd"),
  op("HSUBPS Vx+ Wx",   "F2 0F 7D /r", "", "sse f:sse3 st", "hsubps"),
  op("ADDSUBPD Vx+ Wx", "66 0F D0 /r", "", "sse f:sse3 st", "addsubpd"),
  op("ADDSUBPS Vx+ Wx", "F2 0F D0 /r", "", "sse f:sse3 st", "addsubps"),
]);

// biome-ignore format: one row a line
export const SSE_COMPARE = family("SSE floating-point comparison", "sse-compare", "[SDM] vol. 2, CMPPS, COMISS, UCOMISS", [
  op("CMPPS Vx+ Wx Ib", "NP 0F C2 /r", "",       "sse f:sse st",  "cmpps"),
  op("CMPPD Vx+ Wx Ib", "66 0F C2 /r", "",       "sse f:sse2 st", "cmppd"),
  op("CMPSS Vd+ Wd Ib", "F3 0F C2 /r", "",       "sse f:sse st",  "cmpss"),
  op("CMPSD Vq+ Wq Ib", "F2 0F C2 /r", "",       "sse f:sse2 st", "cmpsd"),
  op("UCOMISS Vd Wd",   "NP 0F 2E /r", "00m0mm", "sse f:sse st",  "ucomiss"),
  op("UCOMISD Vq Wq",   "66 0F 2E /r", "00m0mm", "sse f:sse2 st", "ucomisd"),
  op("COMISS Vd Wd",    "NP 0F 2F /r", "00m0mm", "sse f:sse st",  "comiss"),
  op("COMISD Vq Wq",    "66 0F 2F /r", "00m0mm", "sse f:sse2 st", "comisd"),
]);

// biome-ignore format: one row a line
export const SSE_ROUND = family("SSE rounding, dot products and approximations", "sse-round", "[SDM] vol. 2, ROUNDPS, DPPS, RCPPS, RSQRTPS", [
  op("ROUNDPS Vx= Wx Ib", "66 0F 3A 08 /r", "", "sse f:sse4_1 st", "roundps"),
  op("ROUNDPD Vx= Wx Ib", "66 0F 3A 09 /r", "", "sse f:sse4_1 st", "roundpd"),
  op("ROUNDSS Vd= Wd Ib", "66 0F 3A 0A /r", "", "sse f:sse4_1 st", "roundss"),
  op("ROUNDSD Vq= Wq Ib", "66 0F 3A 0B /r", "", "sse f:sse4_1 st", "roundsd"),
  op("DPPS Vx+ Wx Ib",    "66 0F 3A 40 /r", "", "sse f:sse4_1 st", "dpps"),
  op("DPPD Vx+ Wx Ib",    "66 0F 3A 41 /r", "", "sse f:sse4_1 st", "dppd"),
  op("RSQRTPS Vx= Wx",    "NP 0F 52 /r",    "", "sse f:sse",       "rsqrtps"),
  op("RSQRTSS Vd= Wd",    "F3 0F 52 /r",    "", "sse f:sse",       "rsqrtss"),
  op("RCPPS Vx= Wx",      "NP 0F 53 /r",    "", "sse f:sse",       "rcpps"),
  op("RCPSS Vd= Wd",      "F3 0F 53 /r",    "", "sse f:sse",       "rcpss"),
]);

// biome-ignore format: one row a line
export const SSE_CONVERT = family("SSE conversions", "sse-convert", "[SDM] vol. 2, CVTDQ2PD to CVTTSS2SI", [
  op("CVTPS2PD Vx= Wq",  "NP 0F 5A /r", "", "sse f:sse2 st", "cvtps2pd"),
  op("CVTPD2PS Vx= Wx",  "66 0F 5A /r", "", "sse f:sse2 st", "cvtpd2ps"),
  op("CVTSS2SD Vq= Wd",  "F3 0F 5A /r", "", "sse f:sse2 st", "cvtss2sd"),
  op("CVTSD2SS Vd= Wq",  "F2 0F 5A /r", "", "sse f:sse2 st", "cvtsd2ss"),
  op("CVTDQ2PS Vx= Wx",  "NP 0F 5B /r", "", "sse f:sse2 st", "cvtdq2ps"),
  op("CVTPS2DQ Vx= Wx",  "66 0F 5B /r", "", "sse f:sse2 st", "cvtps2dq"),
  op("CVTTPS2DQ Vx= Wx", "F3 0F 5B /r", "", "sse f:sse2 st", "cvttps2dq"),
  op("CVTDQ2PD Vx= Wq",  "F3 0F E6 /r", "", "sse f:sse2",    "cvtdq2pd"),
  op("CVTPD2DQ Vx= Wx",  "F2 0F E6 /r", "", "sse f:sse2 st", "cvtpd2dq"),
  op("CVTTPD2DQ Vx= Wx", "66 0F E6 /r", "", "sse f:sse2 st", "cvttpd2dq"),
  op("CVTSI2SS Vd= Ey",  "F3 0F 2A /r", "", "sse f:sse st",  "cvtsi2ss"),
  op("CVTSI2SD Vq= Ey",  "F2 0F 2A /r", "", "sse f:sse2 st", "cvtsi2sd"),
  op("CVTTSS2SI Gy Wd",  "F3 0F 2C /r", "", "sse f:sse st",  "cvttss2si"),
  op("CVTTSD2SI Gy Wq",  "F2 0F 2C /r", "", "sse f:sse2 st", "cvttsd2si"),
  op("CVTSS2SI Gy Wd",   "F3 0F 2D /r", "", "sse f:sse st",  "cvtss2si"),
  op("CVTSD2SI Gy Wq",   "F2 0F 2D /r", "", "sse f:sse2 st", "cvtsd2si"),
]);

// biome-ignore format: one row a line
export const SSE_MMX = family("Conversions between MMX and XMM", "sse-mmx", "[SDM] vol. 2, CVTPI2PS to CVTTPS2PI", [
  op("CVTPI2PS Vq= Qq",  "NP 0F 2A /r", "", "mmx sse f:sse st",  "cvtpi2ps"),
  op("CVTPI2PD Vx= Nq",  "66 0F 2A /r", "", "mmx sse f:sse2",    "cvtpi2pd"),
  op("CVTPI2PD Vx= Mq",  "66 0F 2A /r", "", "sse f:sse2",        "cvtpi2pdMem"),
  op("CVTTPS2PI Pq= Wq", "NP 0F 2C /r", "", "mmx sse f:sse st",  "cvttps2pi"),
  op("CVTTPD2PI Pq= Wx", "66 0F 2C /r", "", "mmx sse f:sse2 st", "cvttpd2pi"),
  op("CVTPS2PI Pq= Wq",  "NP 0F 2D /r", "", "mmx sse f:sse st",  "cvtps2pi"),
  op("CVTPD2PI Pq= Wx",  "66 0F 2D /r", "", "mmx sse f:sse2 st", "cvtpd2pi"),
]);
