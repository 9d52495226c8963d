/*
 * Memory: `copy N` and `movs N` copy 32 MiB to another 32 MiB N times, in a loop of words or by rep movs; `chase-cache N`
 * and `chase-memory N` follow a random ring of pointers for N million steps, through 16 KiB or 64 MiB.
 *
 * The two halves of a copy lie 93 pages more than 32 MiB apart. At a power of two every pair of pages would meet in one
 * place of a direct-mapped TLB, and the bench would compare TLBs instead of copies.
 */
#include "runtime.h"

enum { LINE = 64, CHECKED = 4093 };

static u32 copy(u32 rounds, int by_string) {
  word bytes = 32 * MIB, apart = bytes + 93 * PAGE;
  u8 *from = allocate(apart + bytes), *to = from + apart;
  for (word i = 0; i < bytes; i += sizeof(u32)) *(u32 *)(from + i) = (u32)i * 2654435761u;
  u32 sum = 0;
  for (u32 n = 0; n < rounds; n++) {
    if (by_string) {
      memcpy(to, from, bytes);
    } else {
      const word *in = (const word *)from;
      word *out = (word *)to;
      for (word i = 0; i < bytes / sizeof(word); i++) out[i] = in[i];
    }
    from[n * 4099] ^= (u8)(n + 1);
    for (word i = 0; i < bytes; i += CHECKED) sum = sum * 33 + to[i];
  }
  return sum;
}

/* Sattolo's shuffle makes one ring of all lines; the links are line numbers in the lines' first word. */
static u32 chase(word bytes, u32 millions) {
  u8 *lines = allocate(bytes);
  u32 count = (u32)(bytes / LINE), seed = 0x2545f491;
  for (u32 i = 0; i < count; i++) *(u32 *)(lines + (word)i * LINE) = i;
  for (u32 i = count - 1; i > 0; i--) {
    u32 j = next_random(&seed) % i;
    u32 *x = (u32 *)(lines + (word)i * LINE), *y = (u32 *)(lines + (word)j * LINE), link = *x;
    *x = *y;
    *y = link;
  }
  for (u32 i = 0; i < count; i++) {
    u8 *line = lines + (word)i * LINE;
    *(u8 **)(line + LINE / 2) = lines + (word) * (u32 *)line * LINE + LINE / 2;
  }
  u8 *place = lines + LINE / 2;
  for (u32 n = millions * 125000; n != 0; n--) {
    place = *(u8 **)place, place = *(u8 **)place, place = *(u8 **)place, place = *(u8 **)place;
    place = *(u8 **)place, place = *(u8 **)place, place = *(u8 **)place, place = *(u8 **)place;
  }
  return (u32)(place - lines);
}

int program(int argc, char **argv) {
  if (argc < 3) return 2;
  u32 n = number(argv[2]);
  if (same(argv[1], "copy")) return result(copy(n, 0));
  if (same(argv[1], "movs")) return result(copy(n, 1));
  if (same(argv[1], "chase-cache")) return result(chase(16 * 1024, n));
  if (same(argv[1], "chase-memory")) return result(chase(64 * MIB, n));
  return 2;
}
