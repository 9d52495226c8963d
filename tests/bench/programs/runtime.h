/*
 * All that a program of the bench needs of a C library, for both word sizes: entry, system calls, memory, the result.
 * Nothing but gcc is needed: no headers of a C library, no multilib, no libgcc (so no 64-bit division with -m32).
 *
 * A program defines `int program(int argc, char **argv)` and ends with `result(checksum)`.
 */
#ifndef RUNTIME_H
#define RUNTIME_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
/* As wide as a register. */
typedef unsigned long word;

#define MAY_BE_UNUSED __attribute__((unused))
#define PAGE 4096ul
#define MIB (1ul << 20)

/* Numbers of Linux's system calls, arch/x86/entry/syscalls: x86-64, then i386. */
#ifdef __x86_64__
enum { SYS_READ = 0, SYS_WRITE = 1, SYS_CLOSE = 3, SYS_MMAP = 9, SYS_MPROTECT = 10, SYS_PIPE = 22, SYS_NANOSLEEP = 35, SYS_CLONE = 56,
       SYS_FORK = 57, SYS_EXECVE = 59, SYS_WAIT4 = 61, SYS_GETPPID = 110, SYS_PRCTL = 157, SYS_FUTEX = 202,
       SYS_SCHED_SETAFFINITY = 203, SYS_CLOCK_GETTIME = 228, SYS_EXIT_GROUP = 231, SYS_MEMBARRIER = 324 };
#else
enum { SYS_FORK = 2, SYS_READ = 3, SYS_WRITE = 4, SYS_CLOSE = 6, SYS_EXECVE = 11, SYS_PIPE = 42, SYS_GETPPID = 64,
       SYS_OLD_MMAP = 90, SYS_WAIT4 = 114, SYS_CLONE = 120, SYS_MPROTECT = 125, SYS_NANOSLEEP = 162,
       SYS_PRCTL = 172, SYS_FUTEX = 240, SYS_SCHED_SETAFFINITY = 241, SYS_EXIT_GROUP = 252, SYS_CLOCK_GETTIME = 265,
       SYS_MEMBARRIER = 375 };
#endif

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20 };

static inline long call4(long number, long a, long b, long c, long d) {
  long answer;
#ifdef __x86_64__
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(answer) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
#else
  __asm__ volatile("int $0x80" : "=a"(answer) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
#endif
  return answer;
}

static inline long call3(long number, long a, long b, long c) { return call4(number, a, b, c, 0); }

#ifdef __x86_64__
MAY_BE_UNUSED static long call5(long number, long a, long b, long c, long d, long e) {
  long answer;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  __asm__ volatile("syscall"
                   : "=a"(answer)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return answer;
}
#endif

MAY_BE_UNUSED static void quit(int status) {
  for (;;) call3(SYS_EXIT_GROUP, status, 0, 0);
}

/* Ends the program when a system call failed: a wrong result must not look like a fast one. */
MAY_BE_UNUSED static long must(long answer) {
  if (answer < 0) quit(100);
  return answer;
}

void *memcpy(void *to, const void *from, unsigned long bytes) {
  void *out = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
  return out;
}

void *memset(void *to, int value, unsigned long bytes) {
  void *out = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
  return out;
}

MAY_BE_UNUSED static void *map_pages(word bytes, int flags) {
  long answer;
#ifdef __x86_64__
  register long r10 __asm__("r10") = flags | MAP_ANONYMOUS;
  register long r8 __asm__("r8") = -1;
  register long r9 __asm__("r9") = 0;
  __asm__ volatile("syscall"
                   : "=a"(answer)
                   : "a"(SYS_MMAP), "D"(0), "S"(bytes), "d"(PROT_READ | PROT_WRITE), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
#else
  /* The old call takes its six arguments in memory, so that ebp stays the compiler's. */
  long arguments[6] = {0, (long)bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0};
  answer = call3(SYS_OLD_MMAP, (long)arguments, 0, 0);
#endif
  if ((word)answer > -PAGE) quit(101);
  return (void *)answer;
}

MAY_BE_UNUSED static void *allocate(word bytes) { return map_pages(bytes, MAP_PRIVATE); }

MAY_BE_UNUSED static void *allocate_shared(word bytes) { return map_pages(bytes, MAP_SHARED); }

MAY_BE_UNUSED static long fork(void) { return must(call3(SYS_FORK, 0, 0, 0)); }

/* Waits for a child and gives its exit status. */
MAY_BE_UNUSED static int wait_child(void) {
  int status = 0;
  must(call4(SYS_WAIT4, -1, (long)&status, 0, 0));
  return (status >> 8) & 0xff;
}

MAY_BE_UNUSED static int same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

MAY_BE_UNUSED static u32 number(const char *text) {
  u32 value = 0;
  for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (u32)(*text - '0');
  return value;
}

/* Marsaglia's xorshift32: the same numbers everywhere. */
MAY_BE_UNUSED static u32 next_random(u32 *state) {
  u32 x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

/* Prints the line that every machine must agree on, and is the exit status. */
MAY_BE_UNUSED static int result(u32 checksum) {
  char line[] = "checksum 00000000\n";
  for (int i = 0; i < 8; i++) line[9 + i] = "0123456789abcdef"[(checksum >> (28 - 4 * i)) & 15];
  must(call3(SYS_WRITE, 1, (long)line, sizeof line - 1));
  return 0;
}

int program(int argc, char **argv);

__attribute__((used)) static void start(word *stack) { quit(program((int)stack[0], (char **)(stack + 1))); }

#ifdef __x86_64__
__asm__(".globl _start\n_start:\n  xorl %ebp, %ebp\n  movq %rsp, %rdi\n  andq $-16, %rsp\n  call start\n");
#else
__asm__(".globl _start\n_start:\n  xorl %ebp, %ebp\n  movl %esp, %eax\n  andl $-16, %esp\n  subl $12, %esp\n"
        "  pushl %eax\n  call start\n");
#endif

#endif
