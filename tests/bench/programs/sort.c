/* Records sorted by functions that are given to the sort, as to qsort, and then searched. */
#include "runtime.h"

enum { RECORDS = 2000, NAME = 12 };

struct record {
  char name[NAME];
  u32 key;
};

typedef int (*order)(const void *, const void *);

static struct record records[RECORDS];
static struct record *places[RECORDS];

static int by_key(const void *x, const void *y) {
  u32 a = (*(struct record *const *)x)->key, b = (*(struct record *const *)y)->key;
  return a < b ? -1 : a > b;
}

static int by_name(const void *x, const void *y) {
  const char *a = (*(struct record *const *)x)->name, *b = (*(struct record *const *)y)->name;
  while (*a && *a == *b) a++, b++;
  return *a != *b ? *a - *b : by_key(x, y);
}

static int by_length(const void *x, const void *y) {
  const char *a = (*(struct record *const *)x)->name, *b = (*(struct record *const *)y)->name;
  int length = 0;
  while (a[length] && b[length]) length++;
  return a[length] == b[length] ? by_name(x, y) : a[length] ? 1 : -1;
}

static void swap(struct record **x, struct record **y) {
  struct record *kept = *x;
  *x = *y;
  *y = kept;
}

static void quicksort(struct record **from, long count, order less) {
  while (count > 12) {
    struct record **middle = from + count / 2, **last = from + count - 1;
    if (less(middle, from) < 0) swap(middle, from);
    if (less(last, from) < 0) swap(last, from);
    if (less(last, middle) < 0) swap(last, middle);
    struct record *pivot = *middle;
    long i = 0, j = count - 1;
    while (i <= j) {
      while (less(from + i, &pivot) < 0) i++;
      while (less(&pivot, from + j) < 0) j--;
      if (i <= j) swap(from + i++, from + j--);
    }
    quicksort(from, j + 1, less);
    from += i;
    count -= i;
  }
  for (long i = 1; i < count; i++)
    for (long j = i; j > 0 && less(from + j, from + j - 1) < 0; j--) swap(from + j, from + j - 1);
}

static u32 search(struct record *wanted, order less) {
  u32 low = 0, high = RECORDS;
  while (low + 1 < high) {
    u32 middle = (low + high) / 2;
    if (less(&places[middle], &wanted) <= 0) low = middle;
    else high = middle;
  }
  return low;
}

int program(int argc, char **argv) {
  if (argc < 2) return 2;
  static const order orders[] = {by_key, by_name, by_length};
  u32 seed = 0x6b8b4567, sum = 0;
  for (u32 n = number(argv[1]); n != 0; n--) {
    for (int i = 0; i < RECORDS; i++) {
      u32 length = 1 + next_random(&seed) % (NAME - 1);
      for (u32 k = 0; k < length; k++) records[i].name[k] = (char)('a' + next_random(&seed) % 3);
      records[i].name[length] = 0, records[i].key = next_random(&seed), places[i] = &records[i];
    }
    for (int o = 0; o < 3; o++) {
      quicksort(places, RECORDS, orders[o]);
      for (int i = 0; i < RECORDS; i += 7) sum = sum * 31 + search(&records[i], orders[o]);
    }
  }
  return result(sum);
}
