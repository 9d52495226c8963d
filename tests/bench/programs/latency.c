/*
 * How long a machine takes to react: `wake N` wakes a process that sleeps on the other processor by a futex, `ipi N` asks
 * for a memory barrier while a thread runs on the other processor, `timer N` sleeps for 100 us and sees how much later it
 * is. Prints the median and the 99th percentile of N times before the checksum, nanoseconds: what two looks at the clock
 * take is in them.
 */
#include "processors.h"

enum { CLOCK_MONOTONIC = 1, PR_SET_TIMERSLACK = 29, MOST = 4096 };
enum { SLEEP_NANOS = 100000, REST_NANOS = 300000 };

struct instant {
  long seconds, nanos;
};

struct shared {
  u32 sent, seen, running, stop, samples[MOST];
  u64 at;
};

static struct shared *shared;

static u64 now(void) {
  struct instant instant;
  must(call3(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC, (long)&instant, 0));
  return (u64)instant.seconds * 1000000000 + (u64)instant.nanos;
}

static void rest(long nanos) {
  struct instant instant = {0, nanos};
  call3(SYS_NANOSLEEP, (long)&instant, 0, 0);
}

static void wait_for(u32 *word, u32 value) {
  for (u32 is; (is = __atomic_load_n(word, __ATOMIC_SEQ_CST)) != value;) call4(SYS_FUTEX, (long)word, FUTEX_WAIT, is, 0);
}

static void tell(u32 *word, u32 value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
  call4(SYS_FUTEX, (long)word, FUTEX_WAKE, 1, 0);
}

/* The one that is woken measures; the other rests first, so that it sleeps and its processor is idle. */
static u32 wake(u32 n) {
  long child = fork();
  pin(child == 0);
  for (u32 i = 1; i <= n; i++) {
    if (child == 0) {
      wait_for(&shared->sent, i);
      shared->samples[i - 1] = (u32)(now() - shared->at);
      tell(&shared->seen, i);
    } else {
      rest(REST_NANOS);
      shared->at = now();
      tell(&shared->sent, i);
      wait_for(&shared->seen, i);
    }
  }
  if (child == 0) quit(0);
  return shared->seen + (u32)wait_child();
}

static void spin(void) {
  pin(1);
  __atomic_store_n(&shared->running, 1, __ATOMIC_SEQ_CST);
  while (!__atomic_load_n(&shared->stop, __ATOMIC_SEQ_CST)) shared->seen++;
  quit(0);
}

static u32 ipi(u32 n) {
  must(call3(SYS_MEMBARRIER, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED, 0, 0));
  pin(0);
  start_thread(spin, (u8 *)allocate(16 * PAGE) + 16 * PAGE);
  while (!__atomic_load_n(&shared->running, __ATOMIC_SEQ_CST)) rest(REST_NANOS);
  u32 done = 0;
  for (u32 i = 0; i < n; i++) {
    u64 before = now();
    done += call3(SYS_MEMBARRIER, MEMBARRIER_PRIVATE_EXPEDITED, 0, 0) == 0;
    shared->samples[i] = (u32)(now() - before);
  }
  __atomic_store_n(&shared->stop, 1, __ATOMIC_SEQ_CST);
  return done + (u32)wait_child();
}

static u32 timer(u32 n) {
  must(call3(SYS_PRCTL, PR_SET_TIMERSLACK, 1, 0));
  for (u32 i = 0; i < n; i++) {
    u64 before = now();
    rest(SLEEP_NANOS);
    u64 took = now() - before;
    if (took < SLEEP_NANOS) quit(102);
    shared->samples[i] = (u32)(took - SLEEP_NANOS);
  }
  return n;
}

/* Insertion sort with shrinking gaps. */
static void sort(u32 *values, u32 n) {
  for (u32 gap = n / 2; gap > 0; gap /= 2) {
    for (u32 i = gap; i < n; i++) {
      u32 value = values[i], at = i;
      for (; at >= gap && values[at - gap] > value; at -= gap) values[at] = values[at - gap];
      values[at] = value;
    }
  }
}

static void put(char *last, u32 value) {
  for (; value > 0; value /= 10) *last-- = (char)('0' + value % 10);
}

static int say(u32 n, u32 checksum) {
  char line[] = "latency 0000000000 0000000000\n";
  sort(shared->samples, n);
  put(line + 17, shared->samples[n / 2]);
  put(line + 28, shared->samples[n * 99 / 100]);
  must(call3(SYS_WRITE, 1, (long)line, sizeof line - 1));
  return result(checksum);
}

int program(int argc, char **argv) {
  u32 n = argc < 3 ? 0 : number(argv[2]);
  if (n == 0 || n > MOST) return 2;
  shared = allocate_shared(8 * PAGE);
  if (same(argv[1], "wake")) return say(n, wake(n));
  if (same(argv[1], "ipi")) return say(n, ipi(n));
  if (same(argv[1], "timer")) return say(n, timer(n));
  return 2;
}
