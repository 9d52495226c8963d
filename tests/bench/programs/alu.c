/* Arithmetic in registers and nothing else: one loop without a load, a store or a call. */
#include "runtime.h"

int program(int argc, char **argv) {
  if (argc < 2) return 2;
  u32 x = 0x12345678, y = 1, z = 0;
  for (u32 n = number(argv[1]); n != 0; n--) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    y = y * 5 + x;
    z += (y >> 7) ^ (x & 0xff00ff);
    z = (z << 3) | (z >> 29);
  }
  return result(x ^ y ^ z);
}
