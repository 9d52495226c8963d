/*
 * How long single requests of a disk take: `pause DISK MS` writes random blocks of 4 KiB of the first 256 MiB, one after the
 * other and past the page cache, for so many milliseconds. Prints how many, their median and the longest, nanoseconds.
 * 64-bit only.
 */
#include "runtime.h"

enum { SYS_OPEN = 2, SYS_PWRITE64 = 18, O_RDWR = 2, O_DIRECT = 0x4000, CLOCK_MONOTONIC = 1 };
enum { BLOCKS = 65536, MOST = 1 << 20 };

struct instant {
  long seconds, nanos;
};

static u64 now(void) {
  struct instant instant;
  must(call3(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC, (long)&instant, 0));
  return (u64)instant.seconds * 1000000000 + (u64)instant.nanos;
}

static void print(u64 value, char end) {
  char text[24];
  int at = sizeof text;
  text[--at] = end;
  do text[--at] = (char)('0' + value % 10);
  while (value /= 10);
  must(call3(SYS_WRITE, 1, (long)(text + at), (long)sizeof text - at));
}

/* Shell sort; the times of a second are few. */
static void sort(u32 *values, u32 count) {
  for (u32 gap = count / 2; gap > 0; gap /= 2)
    for (u32 i = gap; i < count; i++) {
      u32 value = values[i], at = i;
      for (; at >= gap && values[at - gap] > value; at -= gap) values[at] = values[at - gap];
      values[at] = value;
    }
}

int program(int argc, char **argv) {
  if (argc != 3) return 1;
  long file = must(call3(SYS_OPEN, (long)argv[1], O_RDWR | O_DIRECT, 0));
  u64 begin = now(), end = begin + (u64)number(argv[2]) * 1000000;
  u8 *buffer = allocate(PAGE);
  u32 *times = allocate(MOST * sizeof(u32)), count = 0, seed = 0x1234567;
  for (u64 before = begin; before < end && count < MOST; count++) {
    long at = (long)(next_random(&seed) % BLOCKS) * (long)PAGE;
    if (must(call4(SYS_PWRITE64, file, (long)buffer, PAGE, at)) != (long)PAGE) quit(102);
    u64 after = now();
    times[count] = (u32)(after - before);
    before = after;
  }
  sort(times, count);
  print(count, ' ');
  print(times[count / 2], ' ');
  print(times[count - 1], '\n');
  return 0;
}
