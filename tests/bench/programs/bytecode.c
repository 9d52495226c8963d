/* An interpreter of a small stack machine, with one indirect jump for each instruction, as those of many languages have. */
#include "runtime.h"

enum op { PUSH, LOAD, STORE, ADD, MUL, XOR, SHIFT, LESS, JUMP, JUMP_IF, CALL, RETURN, GET, PUT, DUP, HALT };

enum { MEMORY = 1024, STACK = 256 };
/* The interpreted program's variables, places in its code, how far it sieves, and where in memory. */
enum variable { ROUND, I, SUM, J, REST, VARIABLES };
enum label { OUTER = 2, CHECK = 8, NEXT = 13, PRIME = 18, MARK = 24, BODY = 29, MIX = 37 };
enum { LIMIT = 512, SIEVE = 16 };

#define CODE(op, value) ((u32)(op) | (u32)(value) << 8)

/* Eratosthenes' sieve; each prime is mixed into SUM by a function. */
static const u32 code[] = {
  CODE(PUSH, 2), CODE(STORE, I),
  /* OUTER */ CODE(LOAD, I), CODE(PUSH, LIMIT), CODE(LESS, 0), CODE(JUMP_IF, CHECK), CODE(LOAD, SUM), CODE(HALT, 0),
  /* CHECK */ CODE(LOAD, I), CODE(GET, SIEVE), CODE(PUSH, 1), CODE(LESS, 0), CODE(JUMP_IF, PRIME),
  /* NEXT */ CODE(LOAD, I), CODE(PUSH, 1), CODE(ADD, 0), CODE(STORE, I), CODE(JUMP, OUTER),
  /* PRIME */ CODE(LOAD, SUM), CODE(LOAD, I), CODE(CALL, MIX), CODE(STORE, SUM), CODE(LOAD, I), CODE(STORE, J),
  /* MARK */ CODE(LOAD, J), CODE(PUSH, LIMIT), CODE(LESS, 0), CODE(JUMP_IF, BODY), CODE(JUMP, NEXT),
  /* BODY */ CODE(LOAD, ROUND), CODE(LOAD, J), CODE(PUT, SIEVE),
  CODE(LOAD, J), CODE(LOAD, I), CODE(ADD, 0), CODE(STORE, J), CODE(JUMP, MARK),
  /* MIX */ CODE(DUP, 0), CODE(PUSH, 2), CODE(SHIFT, 0), CODE(STORE, REST), CODE(XOR, 0),
  CODE(PUSH, 31), CODE(MUL, 0), CODE(LOAD, REST), CODE(ADD, 0), CODE(RETURN, 0),
};

static u32 memory[MEMORY];

static u32 run(u32 round, u32 seed) {
  u32 stack[STACK], variables[VARIABLES] = {[ROUND] = round, [SUM] = seed}, returns[STACK];
  u32 *top = stack, *back = returns;
  const u32 *next = code;
  for (;;) {
    u32 instruction = *next++, value = instruction >> 8;
    switch ((enum op)(instruction & 0xff)) {
      case PUSH: *top++ = value; break;
      case LOAD: *top++ = variables[value]; break;
      case STORE: variables[value] = *--top; break;
      case ADD: top--; top[-1] += *top; break;
      case MUL: top--; top[-1] *= *top; break;
      case XOR: top--; top[-1] ^= *top; break;
      case SHIFT: top--; top[-1] >>= *top & 31; break;
      case LESS: top--; top[-1] = top[-1] < *top; break;
      case JUMP: next = code + value; break;
      case JUMP_IF: if (*--top) next = code + value; break;
      case CALL: *back++ = (u32)(next - code); next = code + value; break;
      case RETURN: next = code + *--back; break;
      case GET: top[-1] = memory[(value + top[-1]) % MEMORY]; break;
      case PUT: top -= 2; memory[(value + top[1]) % MEMORY] = *top; break;
      case DUP: *top = top[-1]; top++; break;
      case HALT: return top[-1];
    }
  }
}

int program(int argc, char **argv) {
  if (argc < 2) return 2;
  u32 sum = 0;
  for (u32 round = number(argv[1]); round != 0; round--) {
    for (int i = 0; i < MEMORY; i++) memory[i] = 0;
    sum = run(round, sum);
  }
  return result(sum);
}
