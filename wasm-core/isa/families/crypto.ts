/** Cryptographic instructions on XMM registers. [SDM] vol. 1, 12.13; vol. 2 */
import { family, op } from "../row.js";

// biome-ignore format: one row a line
export const AES = family("AES-NI", "sse-aes", "[SDM] vol. 1, 12.13", [
  op("AESIMC Vx= Wx",             "66 0F 38 DB /r", "", "sse f:aes", "aesimc"),
  op("AESENC Vx+ Wx",             "66 0F 38 DC /r", "", "sse f:aes", "aesenc"),
  op("AESENCLAST Vx+ Wx",         "66 0F 38 DD /r", "", "sse f:aes", "aesenclast"),
  op("AESDEC Vx+ Wx",             "66 0F 38 DE /r", "", "sse f:aes", "aesdec"),
  op("AESDECLAST Vx+ Wx",         "66 0F 38 DF /r", "", "sse f:aes", "aesdeclast"),
  op("AESKEYGENASSIST Vx= Wx Ib", "66 0F 3A DF /r", "", "sse f:aes", "aeskeygenassist"),
]);

// biome-ignore format: one row a line
export const CLMUL = family("Carry-less multiplication", "sse-clmul", "[SDM] vol. 2, PCLMULQDQ", [
  op("PCLMULQDQ Vx+ Wx Ib", "66 0F 3A 44 /r", "", "sse f:pclmulqdq", "pclmulqdq"),
]);

// biome-ignore format: one row a line
export const SHA = family("SHA extensions", "sse-sha", "[SDM] vol. 2, SHA1MSG1 to SHA256RNDS2", [
  op("SHA1NEXTE Vx+ Wx",    "NP 0F 38 C8 /r", "", "sse f:sha_ni", "sha1nexte"),
  op("SHA1MSG1 Vx+ Wx",     "NP 0F 38 C9 /r", "", "sse f:sha_ni", "sha1msg1"),
  op("SHA1MSG2 Vx+ Wx",     "NP 0F 38 CA /r", "", "sse f:sha_ni", "sha1msg2"),
  op("SHA256RNDS2 Vx+ Wx",  "NP 0F 38 CB /r", "", "sse f:sha_ni", "sha256rnds2"),
  op("SHA256MSG1 Vx+ Wx",   "NP 0F 38 CC /r", "", "sse f:sha_ni", "sha256msg1"),
  op("SHA256MSG2 Vx+ Wx",   "NP 0F 38 CD /r", "", "sse f:sha_ni", "sha256msg2"),
  op("SHA1RNDS4 Vx+ Wx Ib", "NP 0F 3A CC /r", "", "sse f:sha_ni", "sha1rnds4"),
]);
