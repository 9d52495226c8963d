/*
 * A disk past the page cache, by Linux's own asynchronous calls, over its first 256 MiB. `read DISK N` and `write DISK N`
 * move N random blocks of 4 KiB, 32 at once; `direct-read DISK N` and `direct-write DISK N` N MiB in blocks of 256 KiB, one
 * behind the other, 8 at once, flushed in the end. 64-bit only.
 */
#include "runtime.h"

enum { SYS_OPEN = 2, SYS_FSYNC = 74, SYS_IO_SETUP = 206, SYS_IO_GETEVENTS = 208, SYS_IO_SUBMIT = 209 };
enum { O_RDWR = 2, O_DIRECT = 0x4000, PREAD = 0, PWRITE = 1 };
enum { MOST = 32, KIB = 1024, SPAN = 256 * MIB };

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
  int streams = same(argv[1], "direct-read") || same(argv[1], "direct-write");
  u16 opcode = same(argv[1], "write") || same(argv[1], "direct-write") ? PWRITE : PREAD;
  u32 bytes = streams ? 256 * KIB : PAGE, depth = streams ? 8 : MOST;
  long file = must(call3(SYS_OPEN, (long)argv[2], O_RDWR | O_DIRECT, 0));
  u32 count = number(argv[3]) * (streams ? MIB / bytes : 1), begun = 0, done = 0, seed = 0x2545f491, sum = 0;
  u8 *buffers = allocate(depth * bytes);
  static struct iocb blocks[MOST];
  static struct event events[MOST];
  static struct iocb *batch[MOST];
  u64 context = 0;
  must(call3(SYS_IO_SETUP, depth, (long)&context, 0));
  u32 free_list[MOST], free_count = depth;
  for (u32 i = 0; i < depth; i++) free_list[i] = i;
  while (done < count) {
    long ready = 0;
    while (free_count > 0 && begun < count) {
      u32 i = free_list[--free_count], place = (streams ? begun : next_random(&seed)) % (SPAN / bytes);
      blocks[i] = (struct iocb){.data = i, .opcode = opcode, .file = (u32)file, .buffer = (word)(buffers + i * bytes),
                                .bytes = bytes, .offset = (u64)place * bytes};
      batch[ready++] = &blocks[i];
      begun++;
    }
    for (long sent = 0; sent < ready;) sent += must(call3(SYS_IO_SUBMIT, (long)context, ready - sent, (long)(batch + sent)));
    long ended = must(call5(SYS_IO_GETEVENTS, (long)context, 1, depth, (long)events, 0));
    for (long e = 0; e < ended; e++) {
      if (events[e].result != (long long)bytes) quit(102);
      u32 i = (u32)events[e].data;
      sum += *(u32 *)(buffers + i * bytes) + 1;
      free_list[free_count++] = i;
    }
    done += (u32)ended;
  }
  if (streams) must(call3(SYS_FSYNC, file, 0, 0));
  return result(sum);
}
