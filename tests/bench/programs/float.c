/*
 * Double precision: bodies under gravity, a matrix product, the Mandelbrot set. The same source is built for SSE2 and for
 * the x87; each has its own checksum, as the x87 rounds to 64 bits in registers.
 */
#include "runtime.h"

enum { BODIES = 5, SIDE = 20, PIXELS = 24 };

static double place[BODIES][3], speed[BODIES][3];
static double a[SIDE][SIDE], b[SIDE][SIDE];

static u32 bits(double value) {
  union {
    double value;
    u32 half[2];
  } both = {value};
  return both.half[0] ^ both.half[1] * 31;
}

static u32 gravity(int steps) {
  for (int i = 0; i < BODIES; i++)
    for (int k = 0; k < 3; k++) place[i][k] = (i + 1) * (k + 2) * 1.1 - i * i * 0.3, speed[i][k] = (i - k) * 0.0625;
  while (steps-- > 0) {
    for (int i = 0; i < BODIES; i++)
      for (int j = i + 1; j < BODIES; j++) {
        double d[3], square = 0.01;
        for (int k = 0; k < 3; k++) d[k] = place[i][k] - place[j][k], square += d[k] * d[k];
        double pull = 0.001 / (square * __builtin_sqrt(square));
        for (int k = 0; k < 3; k++) speed[i][k] -= d[k] * pull * (j + 1), speed[j][k] += d[k] * pull * (i + 1);
      }
    for (int i = 0; i < BODIES; i++)
      for (int k = 0; k < 3; k++) place[i][k] += speed[i][k] * 0.001;
  }
  double sum = 0;
  for (int i = 0; i < BODIES; i++) sum += place[i][0] - place[i][1] * place[i][2];
  return bits(sum);
}

static u32 matrix(int seed) {
  for (int i = 0; i < SIDE; i++)
    for (int j = 0; j < SIDE; j++) a[i][j] = (i * 3 + j + seed) * 0.1, b[i][j] = (i - j) * 0.3 + 1;
  double trace = 0;
  for (int i = 0; i < SIDE; i++)
    for (int j = 0; j < SIDE; j++) {
      double sum = 0;
      for (int k = 0; k < SIDE; k++) sum += a[i][k] * b[k][j];
      trace += sum / (i + j + 1);
    }
  return bits(trace);
}

static u32 mandelbrot(void) {
  u32 sum = 0;
  for (int row = 0; row < PIXELS; row++)
    for (int column = 0; column < PIXELS; column++) {
      double cx = column * 2.5 / PIXELS - 2, cy = row * 2.5 / PIXELS - 1.25, x = 0, y = 0;
      int turns = 0;
      while (turns < 50 && x * x + y * y < 4) {
        double next = x * x - y * y + cx;
        y = 2 * x * y + cy;
        x = next;
        turns++;
      }
      sum = sum * 3 + (u32)turns;
    }
  return sum;
}

int program(int argc, char **argv) {
  if (argc < 2) return 2;
  u32 sum = 0;
  for (u32 n = number(argv[1]); n != 0; n--) sum = sum * 31 + (gravity(200) ^ matrix((int)n) ^ mandelbrot());
  return result(sum);
}
