/*
 * Runs instructions on the processor this program runs on and writes down what they did. Input: items (struct item);
 * output: the state after each. An instruction runs between two signal frames: the handler of the trap that ended the
 * one before writes the next state into its own frame and returns into it, so that the kernel loads every register.
 * Whatever the instruction does ends in a signal: int3 bytes fill the code pages, and faults are signals themselves.
 *
 * Portable Linux on x86-64; 32- and 16-bit code run in segments of the local descriptor table.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* The layout is tests/vectors/layout.ts. */
#define DATA 0x10000000UL
#define DATA_BYTES 0x2000UL
#define READ_ONLY 0x10003000UL
#define CODE 0x20000000UL
#define CODE_BYTES 0x3000UL
#define WINDOW_A 0x10000e00UL
#define WINDOW_A_BYTES 1024
#define WINDOW_B 0x10001f00UL
#define WINDOW_B_BYTES 256
#define GS_BASE 0x10001000UL
#define FILL 0xcc
/* Exit status that says so. */
#define NO_SEGMENTS 9

struct state {
  uint64_t gpr[16]; /* in encoding order */
  uint64_t rip;
  uint64_t flags;
  uint32_t trap;
  uint32_t error;
  uint64_t cr2;
  uint8_t fx[512];
  uint8_t a[WINDOW_A_BYTES];
  uint8_t b[WINDOW_B_BYTES];
};

struct item {
  uint8_t mode;
  uint8_t length;
  uint8_t code[22];
  struct state before;
};

static const int GREG[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                             REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
static struct item *items;
static struct state *results;
static long count, current = -1;
static uint8_t stack[1 << 16];
static uint64_t own_cs;

static void fail(const char *what) {
  perror(what);
  _exit(2);
}

static uint64_t code_address(const struct item *it) {
  return it->mode == 16 ? CODE + it->before.rip : it->before.rip;
}

static void save(struct state *out, const ucontext_t *u) {
  const greg_t *g = u->uc_mcontext.gregs;
  for (int i = 0; i < 16; i++) out->gpr[i] = (uint64_t)g[GREG[i]];
  out->rip = (uint64_t)g[REG_RIP];
  out->flags = (uint64_t)g[REG_EFL];
  out->trap = (uint32_t)g[REG_TRAPNO];
  out->error = (uint32_t)g[REG_ERR];
  out->cr2 = (uint64_t)g[REG_CR2];
  memcpy(out->fx, u->uc_mcontext.fpregs, 416);
  memcpy(out->a, (void *)WINDOW_A, WINDOW_A_BYTES);
  memcpy(out->b, (void *)WINDOW_B, WINDOW_B_BYTES);
}

static void load(const struct item *it, ucontext_t *u) {
  greg_t *g = u->uc_mcontext.gregs;
  const struct state *s = &it->before;
  for (int i = 0; i < 16; i++) g[GREG[i]] = (greg_t)s->gpr[i];
  g[REG_RIP] = (greg_t)s->rip;
  g[REG_EFL] = (greg_t)s->flags;
  uint64_t cs = it->mode == 64 ? own_cs : it->mode == 32 ? 0x07 : 0x0f;
  g[REG_CSGSFS] = (greg_t)(((uint64_t)g[REG_CSGSFS] & ~0xffffUL) | cs);
  uint8_t *fx = (uint8_t *)u->uc_mcontext.fpregs;
  memcpy(fx, s->fx, 416);
  /* Both parts are to be loaded from the image, not reset: XSTATE_BV of the header behind it. */
  fx[512] |= 3;
  memcpy((void *)WINDOW_A, s->a, WINDOW_A_BYTES);
  memcpy((void *)WINDOW_B, s->b, WINDOW_B_BYTES);
  memcpy((void *)code_address(it), it->code, it->length);
}

static void finish(void) {
  const char *p = (const char *)results;
  size_t left = (size_t)count * sizeof(struct state);
  while (left > 0) {
    ssize_t n = write(1, p, left);
    if (n <= 0) _exit(3);
    p += n;
    left -= (size_t)n;
  }
  _exit(0);
}

static void on_signal(int sig, siginfo_t *info, void *context) {
  (void)sig;
  (void)info;
  ucontext_t *u = context;
  if (current < 0) own_cs = (uint64_t)u->uc_mcontext.gregs[REG_CSGSFS] & 0xffff;
  else {
    save(&results[current], u);
    memset((void *)code_address(&items[current]), FILL, 22);
  }
  if (++current == count) finish();
  load(&items[current], u);
}

static int needs_segments(void) {
  for (long i = 0; i < count; i++) if (items[i].mode != 64) return 1;
  return 0;
}

static void make_segment(unsigned number, unsigned base, unsigned wide) {
  struct user_desc d = {.entry_number = number, .base_addr = base, .limit = 0xfffff, .seg_32bit = wide, .contents = 2,
                        .limit_in_pages = 1, .useable = 1};
  if (syscall(SYS_modify_ldt, 1, &d, sizeof d) != 0) fail("modify_ldt");
}

/* False when the kernel or the machine below it has no local descriptor table. */
static int make_segments(void) {
  unsigned rights = 0;
  uint8_t found;
  make_segment(0, 0, 1);
  make_segment(1, CODE, 0);
  __asm__ volatile("lar %2, %0\n\tsetz %1" : "+r"(rights), "=q"(found) : "r"(0x07));
  return found;
}

static void map(unsigned long at, unsigned long bytes, int rights) {
  void *p = mmap((void *)at, bytes, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (p != (void *)at) fail("mmap");
}

static void read_items(void) {
  size_t capacity = 1 << 20, used = 0;
  uint8_t *buffer = malloc(capacity);
  for (;;) {
    if (buffer == NULL) fail("malloc");
    ssize_t n = read(0, buffer + used, capacity - used);
    if (n < 0) fail("read");
    if (n == 0) break;
    used += (size_t)n;
    if (used == capacity) buffer = realloc(buffer, capacity *= 2);
  }
  items = (struct item *)buffer;
  count = (long)(used / sizeof(struct item));
  results = calloc((size_t)count + 1, sizeof(struct state));
  if (results == NULL) fail("calloc");
}

int main(void) {
  read_items();
  if (count == 0) return 0;
  map(DATA, DATA_BYTES, PROT_READ | PROT_WRITE);
  map(READ_ONLY, 0x1000, PROT_READ);
  /* Touched, so that a write finds the page present. */
  if (*(volatile uint8_t *)READ_ONLY != 0) return 5;
  map(CODE, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
  memset((void *)CODE, FILL, CODE_BYTES);
  if (needs_segments() && !make_segments()) return NO_SEGMENTS;
  uint16_t data = 0x2b;
  __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(data));
  if (syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE) != 0) fail("arch_prctl");
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  if (sigaltstack(&alternate, NULL) != 0) fail("sigaltstack");
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  static const int signals[] = {SIGTRAP, SIGSEGV, SIGILL, SIGFPE, SIGBUS};
  for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++) {
    if (sigaction(signals[i], &action, NULL) != 0) fail("sigaction");
  }
  alarm(20);
  __asm__ volatile("int3");
  return 4;
}
