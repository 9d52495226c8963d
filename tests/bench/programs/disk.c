/*
 * Random blocks of a disk, 32 at once: `read DISK N` and `write DISK N` move N blocks of 4 KiB of the first 256 MiB, past
 * the page cache, by Linux's own asynchronous calls. 64-bit only.
 */
#include "runtime.h"

enum { SYS_OPEN = 2, SYS_IO_SETUP = 206, SYS_IO_GETEVENTS = 208, SYS_IO_SUBMIT = 209 };
enum { O_RDWR = 2, O_DIRECT = 0x4000, PREAD = 0, PWRITE = 1 };
enum { DEPTH = 32, BLOCKS = 65536 };

/* include/uapi/linux/aio_abi.h */
struct iocb {
  u64 data;
  u32 key, rw_flags;
  u16 opcode, priority;
  u32 file;
  u64 buffer, bytes, offset, reserved;
  u32 flags, result_file;
};

struct event {
  u64 data, object;
  long long result, result2;
};

int program(int argc, char **argv) {
  if (argc != 4) return 1;
  u16 opcode = same(argv[1], "write") ? PWRITE : PREAD;
  long file = must(call3(SYS_OPEN, (long)argv[2], O_RDWR | O_DIRECT, 0));
  u32 count = number(argv[3]), begun = 0, done = 0, seed = 0x2545f491, sum = 0;
  u8 *buffers = allocate(DEPTH * PAGE);
  static struct iocb blocks[DEPTH];
  static struct event events[DEPTH];
  static struct iocb *batch[DEPTH];
  u64 context = 0;
  must(call3(SYS_IO_SETUP, DEPTH, (long)&context, 0));
  u32 free_list[DEPTH], free_count = DEPTH;
  for (u32 i = 0; i < DEPTH; i++) free_list[i] = i;
  while (done < count) {
    long ready = 0;
    while (free_count > 0 && begun < count) {
      u32 i = free_list[--free_count];
      blocks[i] = (struct iocb){.data = i, .opcode = opcode, .file = (u32)file, .buffer = (word)(buffers + i * PAGE),
                                .bytes = PAGE, .offset = (u64)(next_random(&seed) % BLOCKS) * PAGE};
      batch[ready++] = &blocks[i];
      begun++;
    }
    for (long sent = 0; sent < ready;) sent += must(call3(SYS_IO_SUBMIT, (long)context, ready - sent, (long)(batch + sent)));
    long ended = must(call5(SYS_IO_GETEVENTS, (long)context, 1, DEPTH, (long)events, 0));
    for (long e = 0; e < ended; e++) {
      if (events[e].result != (long long)PAGE) quit(102);
      u32 i = (u32)events[e].data;
      sum += *(u32 *)(buffers + i * PAGE) + 1;
      free_list[free_count++] = i;
    }
    done += (u32)ended;
  }
  return result(sum);
}
