/* A mix of integer work: a linked list that is sorted, reversed and searched, a matrix, a state machine, a CRC. */
#include "runtime.h"

enum { NODES = 400, SIDE = 24, TEXT = 2000 };

struct node {
  struct node *next;
  u32 key;
};

static struct node nodes[NODES];
static int a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];
static u8 text[TEXT];

static struct node *merge(struct node *x, struct node *y) {
  struct node head, *last = &head;
  while (x && y) {
    struct node **from = x->key <= y->key ? &x : &y;
    last = last->next = *from;
    *from = (*from)->next;
  }
  last->next = x ? x : y;
  return head.next;
}

static struct node *sort(struct node *list) {
  if (!list || !list->next) return list;
  struct node *slow = list, *fast = list->next;
  while (fast && fast->next) slow = slow->next, fast = fast->next->next;
  struct node *half = slow->next;
  slow->next = 0;
  return merge(sort(list), sort(half));
}

static u32 lists(u32 seed) {
  for (int i = 0; i < NODES; i++) {
    nodes[i].key = next_random(&seed) & 0xffff;
    nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : 0;
  }
  struct node *list = sort(nodes), *reversed = 0;
  while (list) {
    struct node *next = list->next;
    list->next = reversed;
    reversed = list;
    list = next;
  }
  u32 sum = 0, place = 0;
  for (struct node *n = reversed; n; n = n->next) sum += n->key * ++place;
  return sum;
}

static u32 matrix(u32 seed) {
  for (int i = 0; i < SIDE; i++)
    for (int j = 0; j < SIDE; j++) a[i][j] = (int)(next_random(&seed) & 0xff), b[i][j] = (i * j) ^ (int)(seed & 0x3f);
  u32 sum = 0;
  for (int i = 0; i < SIDE; i++)
    for (int j = 0; j < SIDE; j++) {
      int total = 0;
      for (int k = 0; k < SIDE; k++) total += a[i][k] * b[k][j];
      c[i][j] = total;
      sum += (u32)(total >> 2) ^ (sum << 1);
    }
  return sum;
}

/* Recognises decimal numbers with sign, fraction and exponent in a text of such characters. */
static u32 states(u32 seed) {
  enum state { START, SIGN, WHOLE, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, POWER, WRONG } now = START;
  u32 seen[WRONG + 1] = {0};
  for (int i = 0; i < TEXT; i++) text[i] = (u8) "0123456789+-.eE ,x"[next_random(&seed) % 18];
  for (int i = 0; i < TEXT; i++) {
    u8 ch = text[i];
    int digit = ch >= '0' && ch <= '9';
    if (ch == ' ' || ch == ',') {
      seen[now]++;
      now = START;
      continue;
    }
    switch (now) {
      case START: now = digit ? WHOLE : ch == '+' || ch == '-' ? SIGN : ch == '.' ? POINT : WRONG; break;
      case SIGN: now = digit ? WHOLE : ch == '.' ? POINT : WRONG; break;
      case WHOLE: now = digit ? WHOLE : ch == '.' ? FRACTION : ch == 'e' || ch == 'E' ? EXPONENT : WRONG; break;
      case POINT: now = digit ? FRACTION : WRONG; break;
      case FRACTION: now = digit ? FRACTION : ch == 'e' || ch == 'E' ? EXPONENT : WRONG; break;
      case EXPONENT: now = digit ? POWER : ch == '+' || ch == '-' ? EXPONENT_SIGN : WRONG; break;
      case EXPONENT_SIGN: case POWER: now = digit ? POWER : WRONG; break;
      case WRONG: break;
    }
  }
  u32 sum = 0;
  for (int i = 0; i <= WRONG; i++) sum = sum * 31 + seen[i];
  return sum;
}

/* Bit by bit, as a table would turn it into loads. */
static u32 crc(u32 value, u32 sum) {
  value ^= sum;
  for (int i = 0; i < 32; i++) value = (value >> 1) ^ (0xedb88320 & -(value & 1));
  return value;
}

int program(int argc, char **argv) {
  if (argc < 2) return 2;
  u32 sum = 0;
  for (u32 n = number(argv[1]); n != 0; n--) {
    sum = crc(lists(n * 2654435761u | 1), sum);
    sum = crc(matrix(n * 40503u | 1), sum);
    sum = crc(states(n * 69069u | 1), sum);
    for (int i = 0; i < TEXT / 4; i++) sum = crc(((u32 *)text)[i], sum);
  }
  return result(sum);
}
