/* What programs for two processors share: pinning, threads, futexes. */
#ifndef PROCESSORS_H
#define PROCESSORS_H

#include "runtime.h"

enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, CLONE_VM = 0x100, CLONE_FS = 0x200, CLONE_FILES = 0x400, SIGCHLD = 17 };
enum { MEMBARRIER_PRIVATE_EXPEDITED = 8, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED = 16 };

/* A machine with one processor refuses the second: then both stay where they are. */
static void pin(int processor) {
  word mask = 1ul << processor;
  call3(SYS_SCHED_SETAFFINITY, 0, sizeof mask, (long)&mask);
}

/* Starts a thread at `life`, which never returns, on the stack below `top`. */
static void start_thread(void (*life)(void), u8 *top) {
  long flags = CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, answer;
  void (**stack)(void) = (void (**)(void))(top - 64);
  *stack = life;
#ifdef __x86_64__
  __asm__ volatile("syscall\n test %%rax, %%rax\n jnz 1f\n xor %%ebp, %%ebp\n call *(%%rsp)\n1:"
                   : "=a"(answer) : "a"(SYS_CLONE), "D"(flags), "S"(stack), "d"(0) : "rcx", "r11", "memory");
#else
  __asm__ volatile("int $0x80\n test %%eax, %%eax\n jnz 1f\n call *(%%esp)\n1:"
                   : "=a"(answer) : "a"(SYS_CLONE), "b"(flags), "c"(stack), "d"(0), "S"(0) : "memory");
#endif
  must(answer);
}

#endif
