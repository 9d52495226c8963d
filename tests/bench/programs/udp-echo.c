/* `udp-echo.64 PORT` sends every datagram back to whom it came from, until it is killed. 64-bit only. */
#include "runtime.h"

enum { SYS_SOCKET = 41, SYS_SENDMSG = 46, SYS_RECVMSG = 47, SYS_BIND = 49 };
enum { AF_INET = 2, SOCK_DGRAM = 2, MOST_BYTES = 65536 };

/* include/uapi/linux/in.h, include/linux/socket.h */
struct address {
  u16 family, port;
  u8 host[4], zero[8];
};
struct piece {
  void *base;
  u64 bytes;
};
struct message {
  struct address *name;
  u64 name_bytes;
  struct piece *pieces;
  u64 piece_count;
  void *control;
  u64 control_bytes, flags;
};

int program(int argc, char **argv) {
  if (argc != 2) return 1;
  u32 port = number(argv[1]);
  struct address own = {.family = AF_INET, .port = (u16)((port >> 8) | (port << 8))}, other;
  long file = must(call3(SYS_SOCKET, AF_INET, SOCK_DGRAM, 0));
  must(call3(SYS_BIND, file, (long)&own, sizeof own));
  u8 *buffer = allocate(MOST_BYTES);
  for (;;) {
    struct piece piece = {buffer, MOST_BYTES};
    struct message message = {.name = &other, .name_bytes = sizeof other, .pieces = &piece, .piece_count = 1};
    piece.bytes = (u64)must(call3(SYS_RECVMSG, file, (long)&message, 0));
    message.flags = 0;
    must(call3(SYS_SENDMSG, file, (long)&message, 0));
  }
}
