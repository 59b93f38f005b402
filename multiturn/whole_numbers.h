// Products of 16-bit whole numbers, added up exactly: 12 sessions with 32 candidates (AVX-512 VNNI).

#pragma once

#include <cstdint>

#if defined(__AVX512VNNI__) && defined(__AVX512F__) && defined(__AVX512BW__)
#define HAS_WHOLE_NUMBERS 1

#include <immintrin.h>

namespace {

const int SESSIONS = 12, HALVES = 2;  // 24 sums, two vectors of candidates and one of a session fill the registers

// sums += the products of pairs. Written out, because compilers that see the intrinsic keep the sums in memory.
inline void add_products(__m512i& sums, __m512i x, __m512i y) { asm("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(x), "v"(y)); }

// Sums over `steps` pairs of numbers.
//   x  [step][12 sessions] pairs
//   v  [step][half][16 candidates] pairs
__attribute__((always_inline)) inline void add_up(const int32_t* x, const __m512i* v, int64_t steps,
                                                  __m512i sums[SESSIONS][HALVES]) {
#pragma GCC unroll 12
    for (int s = 0; s < SESSIONS; ++s) sums[s][0] = sums[s][1] = _mm512_setzero_si512();
    for (int64_t j = 0; j < steps; ++j, x += SESSIONS, v += HALVES) {
        const __m512i one = _mm512_load_si512(v), two = _mm512_load_si512(v + 1);
#pragma GCC unroll 12
        for (int s = 0; s < SESSIONS; ++s) {
            const __m512i pair = _mm512_set1_epi32(x[s]);
            add_products(sums[s][0], one, pair);
            add_products(sums[s][1], two, pair);
        }
    }
}

}  // namespace

#endif
