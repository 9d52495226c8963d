/*
 * TCP between two guests: `serve PORT N` takes N connections, all at once, and answers each with the sum of what it was sent;
 * `send A.B.C.D PORT MIB N` sends so much, by N connections at once, and checks the sums; `ask A.B.C.D PORT N` sends a byte and
 * waits for one, N times, of a server that was started with `echo PORT N`. 64-bit only.
 */
#include "runtime.h"

enum { SYS_SOCKET = 41, SYS_CONNECT = 42, SYS_ACCEPT = 43, SYS_SHUTDOWN = 48, SYS_BIND = 49, SYS_LISTEN = 50, SYS_SETSOCKOPT = 54 };
enum { AF_INET = 2, SOCK_STREAM = 1, SOL_SOCKET = 1, SO_REUSEADDR = 2, IPPROTO_TCP = 6, TCP_NODELAY = 1, SHUT_WR = 1 };
enum { CHUNK = 256 * 1024, TRIES = 200, PATTERN = 251 };

struct address {
  u16 family, port;
  u8 host[4];
  u8 zero[8];
};

static struct address parse(const char *host, const char *port) {
  struct address a = {.family = AF_INET};
  u32 p = number(port);
  a.port = (u16)((p >> 8) | (p << 8));
  for (int i = 0; i < 4 && host; i++) {
    u32 part = 0;
    for (; *host >= '0' && *host <= '9'; host++) part = part * 10 + (u32)(*host - '0');
    a.host[i] = (u8)part;
    if (*host == '.') host++;
  }
  return a;
}

static void no_delay(long file) {
  int on = 1;
  must(call5(SYS_SETSOCKOPT, file, IPPROTO_TCP, TCP_NODELAY, (long)&on, sizeof on));
}

/* Waits for a server that is not there yet. */
static long dial(const char *host, const char *port) {
  struct address a = parse(host, port);
  for (int i = 0; i < TRIES; i++) {
    long file = must(call3(SYS_SOCKET, AF_INET, SOCK_STREAM, 0));
    if (call3(SYS_CONNECT, file, (long)&a, sizeof a) == 0) return file;
    call3(SYS_CLOSE, file, 0, 0);
    long pause[2] = {0, 50 * 1000 * 1000};
    call3(SYS_NANOSLEEP, (long)pause, 0, 0);
  }
  quit(101);
  return -1;
}

static long listen_at(const char *port) {
  struct address a = parse(0, port);
  int on = 1;
  long file = must(call3(SYS_SOCKET, AF_INET, SOCK_STREAM, 0));
  must(call5(SYS_SETSOCKOPT, file, SOL_SOCKET, SO_REUSEADDR, (long)&on, sizeof on));
  must(call3(SYS_BIND, file, (long)&a, sizeof a));
  must(call3(SYS_LISTEN, file, 16, 0));
  return file;
}

/* Of one byte in 64, with its place: enough to notice what is lost or out of place, and next to no work. */
static u32 sum_of(const u8 *bytes, word count, word at) {
  u32 sum = 0;
  for (word i = (64 - at % 64) % 64; i < count; i += 64) sum += bytes[i] * (u32)((at + i) / 64 % 65521 + 1);
  return sum;
}

static void wait_for(u32 children) {
  for (; children > 0; children--) {
    int status = wait_child();
    if (status != 0) quit(status);
  }
}

static void take_all(long file) {
  u8 *buffer = allocate(CHUNK);
  u32 sum = 0;
  word total = 0;
  for (long got; (got = must(call3(SYS_READ, file, (long)buffer, CHUNK))) > 0; total += (word)got)
    sum += sum_of(buffer, (word)got, total);
  must(call3(SYS_WRITE, file, (long)&sum, sizeof sum));
}

/* Each connection has a process of its own. */
static int serve(const char *port, u32 times) {
  long listener = listen_at(port);
  for (u32 i = 0; i < times; i++) {
    long file = must(call3(SYS_ACCEPT, listener, 0, 0));
    if (fork() == 0) {
      take_all(file);
      quit(0);
    }
    call3(SYS_CLOSE, file, 0, 0);
  }
  wait_for(times);
  return result(0);
}

static u32 give_all(long file, word total) {
  u8 *buffer = allocate(CHUNK);
  for (u32 i = 0; i < CHUNK; i++) buffer[i] = (u8)(i % PATTERN);
  word done = 0;
  u32 expected = 0, sum = 0;
  while (done < total) {
    word at = done % CHUNK, left = total - done;
    long sent = must(call3(SYS_WRITE, file, (long)(buffer + at), (long)(left < CHUNK - at ? left : CHUNK - at)));
    expected += sum_of(buffer + at, (word)sent, done);
    done += (word)sent;
  }
  must(call3(SYS_SHUTDOWN, file, SHUT_WR, 0));
  if (must(call3(SYS_READ, file, (long)&sum, sizeof sum)) != sizeof sum || sum != expected) quit(102);
  return sum;
}

/* So does each stream, the last one this. */
static int send_all(const char *host, const char *port, u32 mib, u32 streams) {
  if (streams == 0 || streams > PAGE / sizeof(u32)) return 2;
  u32 *sums = allocate_shared(PAGE);
  u32 own = 0, sum = 0;
  while (own + 1 < streams && fork() != 0) own++;
  sums[own] = give_all(dial(host, port), ((word)mib << 20) / streams);
  if (own + 1 < streams) quit(0);
  wait_for(own);
  for (u32 i = 0; i < streams; i++) {
    /* All send the same. */
    if (sums[i] != sums[own]) quit(104);
    sum = sum * 31 + sums[i];
  }
  return result(sum);
}

static int echo(const char *port, u32 times) {
  u8 byte;
  long file = must(call3(SYS_ACCEPT, listen_at(port), 0, 0));
  no_delay(file);
  for (; times > 0 && must(call3(SYS_READ, file, (long)&byte, 1)) == 1; times--) must(call3(SYS_WRITE, file, (long)&byte, 1));
  return result(0);
}

static int ask(const char *host, const char *port, u32 times) {
  long file = dial(host, port);
  no_delay(file);
  u32 sum = 0;
  for (u32 i = 0; i < times; i++) {
    u8 byte = (u8)i, answer = 0;
    must(call3(SYS_WRITE, file, (long)&byte, 1));
    if (must(call3(SYS_READ, file, (long)&answer, 1)) != 1 || answer != byte) quit(103);
    sum = sum * 31 + answer;
  }
  return result(sum);
}

int program(int argc, char **argv) {
  if (argc == 4 && same(argv[1], "serve")) return serve(argv[2], number(argv[3]));
  if (argc == 4 && same(argv[1], "echo")) return echo(argv[2], number(argv[3]));
  if (argc == 6 && same(argv[1], "send")) return send_all(argv[2], argv[3], number(argv[4]), number(argv[5]));
  if (argc == 5 && same(argv[1], "ask")) return ask(argv[2], argv[3], number(argv[4]));
  return 1;
}
