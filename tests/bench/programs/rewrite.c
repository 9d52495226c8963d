/*
 * What a compiler in the guest does, as those of JavaScript and Java: it writes a function, calls it, and writes another
 * over it, in pages that are writable and executable.
 */
#include "runtime.h"

enum { FUNCTIONS = 64, BYTES = 128, OPERATIONS = 12, CALLS = 40, PROT_EXEC = 4 };

typedef u32 (*function)(u32);

static u8 *put(u8 *at, u8 op, u32 value) {
  *at++ = op;
  for (int i = 0; i < 4; i++) *at++ = (u8)(value >> (8 * i));
  return at;
}

/* eax = the argument, some operations with constants, return. */
static void write_function(u8 *at, u32 *seed) {
#ifdef __x86_64__
  *at++ = 0x89, *at++ = 0xf8; /* mov eax, edi */
#else
  *at++ = 0x8b, *at++ = 0x44, *at++ = 0x24, *at++ = 4; /* mov eax, [esp + 4] */
#endif
  for (int i = 0; i < OPERATIONS; i++) {
    u32 value = next_random(seed);
    switch (value & 3) {
      case 0: at = put(at, 0x05, value); break; /* add eax, imm32 */
      case 1: at = put(at, 0x35, value); break; /* xor eax, imm32 */
      case 2: at = put(at, 0x2d, value); break; /* sub eax, imm32 */
      case 3: *at++ = 0xc1, *at++ = 0xc0, *at++ = (u8)(value >> 8 & 31); break; /* rol eax, imm8 */
    }
  }
  *at++ = 0xc3;
}

int program(int argc, char **argv) {
  if (argc < 2) return 2;
  u8 *code = allocate(FUNCTIONS * BYTES);
  must(call3(SYS_MPROTECT, (long)code, FUNCTIONS * BYTES, PROT_READ | PROT_WRITE | PROT_EXEC));
  u32 seed = 0x2b8b4567, sum = 0;
  for (int i = 0; i < FUNCTIONS; i++) write_function(code + i * BYTES, &seed);
  for (u32 n = number(argv[1]); n != 0; n--) {
    write_function(code + n % FUNCTIONS * BYTES, &seed);
    for (int i = 0; i < CALLS; i++) sum = ((function)(word)(code + (n * 7 + (u32)i) % FUNCTIONS * BYTES))(sum);
  }
  return result(sum);
}
