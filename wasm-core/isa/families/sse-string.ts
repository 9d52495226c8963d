/** SSE4.2 string comparison. [SDM] vol. 2B, 4.1 */
import { family, op } from "../row.js";

// biome-ignore format: one row a line
export const SSE_STRING = family("SSE4.2 string comparison", "sse-string", "[SDM] vol. 2B, 4.1", [
  op("PCMPESTRM Vx Wx Ay Ib", "66 0F 3A 60 /r", "mmm00m", "sse f:sse4_2 unal", "pcmpestrm"),
  op("PCMPESTRI Vx Wx Ay Ib", "66 0F 3A 61 /r", "mmm00m", "sse f:sse4_2 unal", "pcmpestri"),
  op("PCMPISTRM Vx Wx Ib",    "66 0F 3A 62 /r", "mmm00m", "sse f:sse4_2 unal", "pcmpistrm"),
  op("PCMPISTRI Vx Wx Ib",    "66 0F 3A 63 /r", "mmm00m", "sse f:sse4_2 unal", "pcmpistri"),
]);
