/*
 * What a kernel and a processor must get right while others do the same: `map N` makes, fills, protects and unmaps memory
 * in children that share it; `threads N` does so in three threads of one address space, in which a fourth reads a page that
 * is replaced all the time; `code N` rewrites small functions and calls them; `signal N` sends itself signals from a child;
 * `kill N` sends them to a child that computes on another processor; `copy N` makes private copies of shared pages. Every
 * mode prints one checksum, the same on every machine.
 */
#include "processors.h"

#ifdef __x86_64__
enum { SYS_RT_SIGACTION = 13, SYS_MUNMAP = 11, SYS_KILL = 62, SYS_GETPID = 39, SYS_YIELD = 24, SYS_MADVISE = 28 };
#else
enum { SYS_RT_SIGACTION = 174, SYS_MUNMAP = 91, SYS_KILL = 37, SYS_GETPID = 20, SYS_YIELD = 158, SYS_MADVISE = 219 };
#endif
enum { MADV_DONTNEED = 4, PROT_EXEC = 4, SIGUSR1 = 10, SA_RESTORER = 0x04000000, SIGNAL_SET = 8 };

static u32 mix(u32 sum, u32 value) { return (sum << 7 | sum >> 25) * 9 + value; }

static u32 fill(u8 *at, word bytes, u32 seed) {
  u32 sum = 0;
  for (word i = 0; i < bytes; i += 256) {
    *(u32 *)(at + i) = next_random(&seed);
    sum = mix(sum, *(u32 *)(at + i));
  }
  return sum;
}

static u32 again(const u8 *at, word bytes) {
  u32 sum = 0;
  for (word i = 0; i < bytes; i += 256) sum = mix(sum, *(const u32 *)(at + i));
  return sum;
}

static u32 maps(u32 n, u32 seed) {
  u32 sum = 0;
  while (n--) {
    word bytes = (1 + (next_random(&seed) & 31)) * PAGE;
    u8 *pages = allocate(bytes);
    u32 filled = fill(pages, bytes, seed | 1);
    must(call3(SYS_MPROTECT, (long)pages, (long)bytes, PROT_READ));
    if (again(pages, bytes) != filled) quit(110);
    must(call3(SYS_MPROTECT, (long)pages, (long)bytes, PROT_READ | PROT_WRITE));
    if ((n & 7) == 0) {
      if (fork() == 0) {
        u32 other = fill(pages, bytes, seed ^ 0x55555555);
        quit(again(pages, bytes) == other ? 3 : 111);
      }
      if (wait_child() != 3) quit(112);
    }
    if (again(pages, bytes) != filled) quit(113);
    must(call3(SYS_MUNMAP, (long)pages, (long)bytes, 0));
    sum = mix(sum, filled);
  }
  return sum;
}

/* What threads of one address space share: a thread begins with nothing but its stack. */
static struct {
  volatile u32 *page;
  u32 rounds, begun, sum, newest, stop;
} team;

static void mapper(void) {
  u32 me = __sync_fetch_and_add(&team.begun, 1);
  pin((int)me & 3);
  __sync_fetch_and_add(&team.sum, maps(team.rounds, 0x1234567 + me));
  quit(0);
}

/* The page holds the newest number, one that is newer, or nothing yet. */
static void watcher(void) {
  pin(1);
  while (!__atomic_load_n(&team.stop, __ATOMIC_SEQ_CST)) {
    u32 newest = __atomic_load_n(&team.newest, __ATOMIC_SEQ_CST), found = *team.page;
    if (found != 0 && found < newest) quit(119);
  }
  quit(0);
}

static u32 threads(u32 n) {
  enum { MAPPERS = 3, STACK = 8 * PAGE };
  team.page = allocate(PAGE);
  team.rounds = n;
  start_thread(watcher, (u8 *)allocate(STACK) + STACK);
  for (u32 t = 0; t < MAPPERS; t++) start_thread(mapper, (u8 *)allocate(STACK) + STACK);
  pin(0);
  for (u32 i = 1; i <= n * 20; i++) {
    must(call3(SYS_MADVISE, (long)team.page, PAGE, MADV_DONTNEED));
    *team.page = i;
    __atomic_store_n(&team.newest, i, __ATOMIC_SEQ_CST);
  }
  for (u32 t = 0; t <= MAPPERS; t++) {
    if (t == MAPPERS) __atomic_store_n(&team.stop, 1, __ATOMIC_SEQ_CST);
    int status = wait_child();
    if (status != 0) quit(status);
  }
  return team.sum;
}

/* MOV EAX, constant; ADD or XOR EAX, constant; RET: a function that is another one each time. */
static void write_function(u8 *at, u32 a, u32 b) {
  at[0] = 0xb8;
  for (int i = 0; i < 4; i++) at[1 + i] = (u8)(a >> (8 * i));
  at[5] = b & 1 ? 0x05 : 0x35;
  for (int i = 0; i < 4; i++) at[6 + i] = (u8)(b >> (8 * i));
  at[10] = 0xc3;
}

static u32 codes(u32 n) {
  u8 *page = allocate(2 * PAGE);
  must(call3(SYS_MPROTECT, (long)page, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
  u32 sum = 0, seed = 0x7654321;
  for (u32 i = 0; i < n; i++) {
    u32 a = next_random(&seed), b = next_random(&seed);
    u8 *at = page + (a & 0x1f) * 0x80 + (b & 0x3f);
    write_function(at, a, b);
    u32 (*made)(void) = (u32(*)(void))at;
    /* Now and then often enough to be compiled. */
    for (u32 k = (i & 255) == 0 ? 3000 : 1 + (a >> 28); k; k--) {
      u32 got = made();
      if (got != (b & 1 ? a + b : a ^ b)) quit(114);
      sum = mix(sum, got);
    }
  }
  return sum;
}

static volatile u32 seen;

static void handler(int signal) { seen += (u32)signal; }

#ifdef __x86_64__
__asm__("restorer:\n  mov $15, %eax\n  syscall\n");
#else
/* Without SA_SIGINFO the frame is the old one, and so is the call that ends it. */
__asm__("restorer:\n  pop %eax\n  mov $119, %eax\n  int $0x80\n");
#endif
extern void restorer(void);

static void handle(void (*by)(int)) {
  struct {
    void (*handler)(int);
    word flags;
    void (*restorer)(void);
    u64 mask;
  } action = {by, SA_RESTORER, restorer, 0};
  must(call4(SYS_RT_SIGACTION, SIGUSR1, (long)&action, 0, SIGNAL_SET));
}

static u32 signals(u32 n) {
  handle(handler);
  long self = call3(SYS_GETPID, 0, 0, 0);
  double kept = 1.5;
  u32 sum = 0;
  for (u32 i = 0; i < n; i++) {
    must(call3(SYS_KILL, self, SIGUSR1, 0));
    kept = kept * 1.0000001 + 0.25;
    if (kept > 1e6) kept = 1.5;
    sum = mix(sum, seen);
  }
  if (seen != n * SIGUSR1) quit(115);
  return mix(sum, (u32)kept);
}

/* In shared memory: the signals that the child has had, and whether that was all. */
static volatile u32 *had;

static void count(int signal) { had[0] += (u32)signal / SIGUSR1; }

static u32 compute(void) {
  u32 seed = 99, sum = 0;
  double kept = 1.5;
  for (u32 i = 0; i < 500; i++) {
    kept = kept * 1.001 + 0.25;
    sum = mix(sum, next_random(&seed));
  }
  return mix(sum, (u32)kept);
}

static u32 kills(u32 n) {
  had = allocate_shared(PAGE);
  handle(count);
  u32 expected = compute();
  long child = fork();
  pin(child == 0);
  if (child == 0) {
    while (!had[1]) if (compute() != expected) quit(120);
    quit(had[0] == n ? 7 : 121);
  }
  for (u32 i = 1; i <= n; i++) {
    must(call3(SYS_KILL, child, SIGUSR1, 0));
    while (had[0] != i) call3(SYS_YIELD, 0, 0, 0);
  }
  had[1] = 1;
  int status = wait_child();
  if (status != 7) quit(status);
  return mix(expected, n);
}

static u32 copies(u32 n) {
  word bytes = 64 * PAGE;
  u8 *pages = allocate(bytes);
  u32 sum = fill(pages, bytes, 77);
  for (u32 i = 0; i < n; i++) {
    for (u32 child = 0; child < 3; child++) {
      if (fork() != 0) continue;
      u32 before = again(pages, bytes), mine = fill(pages + child * PAGE, bytes / 2, i * 3 + child + 1);
      quit(before == sum && again(pages + child * PAGE, bytes / 2) == mine ? 5 : 116);
    }
    for (u32 child = 0; child < 3; child++) if (wait_child() != 5) quit(117);
    if (again(pages, bytes) != sum) quit(118);
    sum = fill(pages, bytes, i + 1);
  }
  return sum;
}

int program(int argc, char **argv) {
  if (argc < 3) return 2;
  u32 n = number(argv[2]);
  if (same(argv[1], "map")) return result(maps(n, 0x1234567));
  if (same(argv[1], "threads")) return result(threads(n));
  if (same(argv[1], "kill")) return result(kills(n));
  if (same(argv[1], "code")) return result(codes(n));
  if (same(argv[1], "signal")) return result(signals(n));
  if (same(argv[1], "copy")) return result(copies(n));
  return 2;
}
