/*
 * Two processors: `busy K N` shares N units of work among K processes; `locked K N` does N pieces of work, each with a
 * quarter under a futex that all K processes want; `protected K N` has K threads do N pieces of work, each of which takes
 * the right to write a page away and gives it back, as every processor that runs one of them must be told; `atomic N` counts
 * by locked additions from two processes; `lock N` takes a futex in turn with another; `shootdown N` changes the protection
 * of a page, and asks for memory barriers, while a thread on the other processor reads it; `pipe N` plays ping-pong between
 * the processors.
 */
#include "processors.h"

struct shared {
  u32 sums[64];
  u32 counter, lock, guarded, page_reads, stop;
};

static u32 work(u32 seed, u32 steps) {
  u32 table[256];
  for (int i = 0; i < 256; i++) table[i] = next_random(&seed);
  for (u32 i = 0; i < steps; i++) {
    u32 *entry = &table[seed & 255];
    seed = (seed >> 5 | seed << 27) + *entry;
    *entry ^= seed * 9 + i;
  }
  return seed;
}

static u32 unit(u32 seed) { return work(seed, 20000); }

/* Sums what `piece` makes of 0 to `pieces`, which `processes` processes share. */
static u32 share(struct shared *shared, u32 processes, u32 pieces, u32 (*piece)(struct shared *, u32)) {
  for (u32 p = 0; p < processes; p++) {
    if (fork() == 0) {
      pin((int)p & 1);
      u32 sum = 0;
      for (u32 i = p; i < pieces; i += processes) sum += piece(shared, i * 2654435761u | 1);
      shared->sums[p & 63] = sum;
      quit(0);
    }
  }
  u32 sum = 0;
  for (u32 p = 0; p < processes; p++) sum += (u32)wait_child();
  for (u32 p = 0; p < processes; p++) sum += shared->sums[p & 63];
  return sum;
}

static void take(u32 *lock) {
  u32 was = __sync_val_compare_and_swap(lock, 0, 1);
  while (was != 0) {
    if (was == 2 || __sync_val_compare_and_swap(lock, 1, 2) != 0) call4(SYS_FUTEX, (long)lock, FUTEX_WAIT, 2, 0);
    was = __sync_val_compare_and_swap(lock, 0, 2);
  }
}

static void release(u32 *lock) {
  if (__sync_fetch_and_sub(lock, 1) != 1) {
    __atomic_store_n(lock, 0, __ATOMIC_SEQ_CST);
    call4(SYS_FUTEX, (long)lock, FUTEX_WAKE, 1, 0);
  }
}

static u32 busy(struct shared *shared, u32 seed) {
  (void)shared;
  return unit(seed);
}

static u32 locked(struct shared *shared, u32 seed) {
  u32 sum = work(seed, 900);
  take(&shared->lock);
  shared->guarded += work(seed + 1, 300);
  release(&shared->lock);
  return sum;
}

static u32 both(struct shared *shared, u32 n, void (*step)(struct shared *)) {
  long child = fork();
  pin(child == 0);
  while (n--) step(shared);
  if (child == 0) quit(0);
  return (u32)wait_child() + shared->counter + shared->guarded;
}

static void count(struct shared *shared) { __sync_fetch_and_add(&shared->counter, 3); }

static void count_locked(struct shared *shared) {
  take(&shared->lock);
  for (int i = 0; i < 20; i++) *(volatile u32 *)&shared->guarded += 1;
  release(&shared->lock);
}

static volatile u32 *watched;
static struct shared *reader_shared;

/* The thread's whole life: it has a stack of its own and never returns. */
static void reader(void) {
  pin(1);
  while (!__atomic_load_n(&reader_shared->stop, __ATOMIC_SEQ_CST)) {
    reader_shared->page_reads += *watched;
    __sync_fetch_and_add(&reader_shared->sums[0], 1);
  }
  quit(0);
}

static u32 shootdown(struct shared *shared, u32 n) {
  u8 *pages = allocate(20 * PAGE);
  watched = (volatile u32 *)pages;
  *watched = 1;
  reader_shared = shared;
  must(call3(SYS_MEMBARRIER, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED, 0, 0));
  pin(0);
  start_thread(reader, pages + 20 * PAGE);
  while (__atomic_load_n(&shared->sums[0], __ATOMIC_SEQ_CST) == 0) __builtin_ia32_pause();
  u32 done = 0;
  for (u32 i = 0; i < n; i++) {
    done += call3(SYS_MPROTECT, (long)pages, PAGE, PROT_READ) == 0;
    done += call3(SYS_MPROTECT, (long)pages, PAGE, PROT_READ | PROT_WRITE) == 0;
    *watched = 1;
    done += call3(SYS_MEMBARRIER, MEMBARRIER_PRIVATE_EXPEDITED, 0, 0) == 0;
  }
  __atomic_store_n(&shared->stop, 1, __ATOMIC_SEQ_CST);
  return done + (u32)wait_child();
}

/* What the threads of `protected` share besides: a thread begins with nothing but its stack. */
static struct {
  struct shared *shared;
  u8 *pages;
  u32 threads, pieces, begun;
} team;

static void protector(void) {
  u32 me = __sync_fetch_and_add(&team.begun, 1), sum = 0;
  pin((int)me & 1);
  u8 *page = team.pages + me * PAGE;
  for (u32 i = me; i < team.pieces; i += team.threads) {
    must(call3(SYS_MPROTECT, (long)page, PAGE, PROT_READ));
    must(call3(SYS_MPROTECT, (long)page, PAGE, PROT_READ | PROT_WRITE));
    *(volatile u32 *)page = i;
    sum += unit(i * 2654435761u | 1);
  }
  team.shared->sums[me & 63] = sum;
  quit(0);
}

static u32 protected(struct shared *shared, u32 threads, u32 pieces) {
  enum { STACK = 8 * PAGE };
  team.shared = shared;
  team.pages = allocate(threads * PAGE);
  team.threads = threads;
  team.pieces = pieces;
  for (u32 t = 0; t < threads; t++) start_thread(protector, allocate(STACK) + STACK);
  u32 sum = 0;
  for (u32 t = 0; t < threads; t++) sum += (u32)wait_child();
  for (u32 t = 0; t < threads; t++) sum += shared->sums[t & 63];
  return sum;
}

static u32 pinned_pipe(u32 n) {
  int there[2], back[2];
  must(call3(SYS_PIPE, (long)there, 0, 0));
  must(call3(SYS_PIPE, (long)back, 0, 0));
  u32 value = 1;
  long child = fork();
  pin(child == 0);
  for (u32 i = 0; i < n; i++) {
    if (child == 0) {
      must(call3(SYS_READ, there[0], (long)&value, sizeof value));
      value = value * 5 + i;
      must(call3(SYS_WRITE, back[1], (long)&value, sizeof value));
    } else {
      must(call3(SYS_WRITE, there[1], (long)&value, sizeof value));
      must(call3(SYS_READ, back[0], (long)&value, sizeof value));
    }
  }
  if (child == 0) quit(0);
  return value + (u32)wait_child();
}

int program(int argc, char **argv) {
  if (argc < 3) return 2;
  struct shared *shared = allocate_shared(PAGE);
  u32 n = number(argv[2]);
  if (same(argv[1], "busy") && argc > 3) return result(share(shared, n, number(argv[3]), busy));
  if (same(argv[1], "locked") && argc > 3) return result(share(shared, n, number(argv[3]), locked) + shared->guarded);
  if (same(argv[1], "protected") && argc > 3) return result(protected(shared, n, number(argv[3])));
  if (same(argv[1], "atomic")) return result(both(shared, n, count));
  if (same(argv[1], "lock")) return result(both(shared, n, count_locked));
  if (same(argv[1], "shootdown")) return result(shootdown(shared, n));
  if (same(argv[1], "pipe")) return result(pinned_pipe(n));
  return 2;
}
