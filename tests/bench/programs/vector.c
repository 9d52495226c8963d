/*
 * Integers in SSE2, as compilers and C libraries use it: the length of strings and the place of a byte sixteen bytes at a
 * time, a blend of pictures with saturation, sums of absolute differences, a product of 16-bit vectors, a byte-wise maximum.
 */
#include "runtime.h"

/* Without this header's malloc, which would want a C library. */
#define _MM_MALLOC_H_INCLUDED
#include <emmintrin.h>

enum { BYTES = 8192, FILTER = 16 };

static u8 text[BYTES + 16] __attribute__((aligned(16))), picture[BYTES] __attribute__((aligned(16)));
static u8 mixed[BYTES] __attribute__((aligned(16)));
static short samples[BYTES] __attribute__((aligned(16))), weights[FILTER] __attribute__((aligned(16)));

static __m128i load(const void *from) { return _mm_load_si128(from); }

/* The distance from `from` to the next byte that is `wanted`, which is there. */
static u32 find(const u8 *from, u8 wanted) {
  const __m128i all = _mm_set1_epi8((char)wanted);
  const u8 *line = (const u8 *)((word)from & ~15ul);
  u32 found = (u32)_mm_movemask_epi8(_mm_cmpeq_epi8(load(line), all)) >> (from - line);
  if (found) return (u32)__builtin_ctz(found);
  do {
    line += 16;
    found = (u32)_mm_movemask_epi8(_mm_cmpeq_epi8(load(line), all));
  } while (!found);
  return (u32)(line - from) + (u32)__builtin_ctz(found);
}

static u32 strings(void) {
  u32 sum = 0;
  for (u32 at = 0; at < BYTES;) {
    u32 length = find(text + at, 0);
    sum = sum * 31 + length + find(text + at, text[at + length / 2]);
    at += length + 1;
  }
  return sum;
}

static __m128i low_and_high(__m128i vector) { return _mm_add_epi32(vector, _mm_srli_si128(vector, 8)); }

/* Half of one picture and half of another, then how far that is from the first, and the brightest of each column. */
static u32 blend(u32 weight) {
  const __m128i zero = _mm_setzero_si128(), one = _mm_set1_epi16((short)weight), other = _mm_set1_epi16((short)(256 - weight));
  const __m128i brighter = _mm_set1_epi8((char)weight);
  __m128i far = zero, top = zero;
  for (int i = 0; i < BYTES; i += 16) {
    __m128i x = load(text + i), y = load(picture + i);
    __m128i low = _mm_add_epi16(_mm_mullo_epi16(_mm_unpacklo_epi8(x, zero), one),
                                _mm_mullo_epi16(_mm_unpacklo_epi8(y, zero), other));
    __m128i high = _mm_add_epi16(_mm_mullo_epi16(_mm_unpackhi_epi8(x, zero), one),
                                 _mm_mullo_epi16(_mm_unpackhi_epi8(y, zero), other));
    __m128i both = _mm_adds_epu8(_mm_packus_epi16(_mm_srli_epi16(low, 8), _mm_srli_epi16(high, 8)), brighter);
    _mm_store_si128((__m128i *)(mixed + i), both);
    far = _mm_add_epi64(far, _mm_sad_epu8(both, x));
    top = _mm_max_epu8(top, both);
  }
  top = _mm_max_epu8(top, _mm_shuffle_epi32(top, 0x4e));
  return (u32)_mm_cvtsi128_si32(low_and_high(far)) * 31 + (u32)_mm_cvtsi128_si32(_mm_sad_epu8(top, zero));
}

/* A filter of sixteen weights over samples, in 32-bit sums. */
static u32 filter(void) {
  const __m128i first = load(weights), second = load(weights + 8);
  u32 sum = 0;
  for (int i = 0; i + FILTER <= BYTES / 2; i += 4) {
    __m128i x = _mm_loadu_si128((const __m128i *)(samples + i)), y = _mm_loadu_si128((const __m128i *)(samples + i + 8));
    __m128i total = low_and_high(_mm_add_epi32(_mm_madd_epi16(x, first), _mm_madd_epi16(y, second)));
    total = _mm_add_epi32(total, _mm_shuffle_epi32(total, 0x55));
    sum = (sum << 1 | sum >> 31) ^ (u32)(_mm_cvtsi128_si32(total) >> 4);
  }
  return sum;
}

int program(int argc, char **argv) {
  if (argc < 2) return 2;
  u32 seed = 0x51ed270b, sum = 0;
  for (int i = 0; i < BYTES; i++) {
    u32 value = next_random(&seed);
    text[i] = value % 41 == 0 ? 0 : (u8)(value >> 8 | 1), picture[i] = (u8)(value >> 16);
    samples[i] = (short)(value >> 3);
  }
  text[BYTES - 1] = 0;
  for (int i = 0; i < FILTER; i++) weights[i] = (short)(next_random(&seed) & 0xfff);
  for (u32 n = number(argv[1]); n != 0; n--) sum = sum * 31 + (strings() ^ blend(n & 0xff) ^ filter());
  return result(sum);
}
