// Products of whole numbers of 16 or 8 bits, added up exactly: 12 sessions with 32 candidates (AVX-512 VNNI).

#pragma once

#include <cstdint>

#if defined(__AVX512VNNI__) && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define HAS_WHOLE_NUMBERS 1

#include <immintrin.h>

namespace {

const int SESSIONS = 12, HALVES = 2;  // 24 sums, two vectors of candidates and one of a session fill the registers

// sums += the products of pairs. Written out, because compilers that see the intrinsic keep the sums in memory.
inline void add_products(__m512i& sums, __m512i x, __m512i y) { asm("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(x), "v"(y)); }

// sums += the products of fours of 8 bits, of which the candidates' are unsigned.
inline void add_fours(__m512i& sums, __m512i y, __m512i x) { asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(y), "v"(x)); }

// Sums over `steps` pairs, or fours, of numbers, from each session's start.
//   x  [step][12 sessions] pairs
//   v  [step][half][16 candidates] pairs
template <void (*ADD)(__m512i&, __m512i, __m512i)>
__attribute__((always_inline)) inline void add_up(const int32_t* x, const __m512i* v, int64_t steps,
                                                  __m512i sums[SESSIONS][HALVES], const int32_t* start = nullptr) {
#pragma GCC unroll 12
    for (int s = 0; s < SESSIONS; ++s)
        sums[s][0] = sums[s][1] = start ? _mm512_set1_epi32(start[s]) : _mm512_setzero_si512();
    for (int64_t j = 0; j < steps; ++j, x += SESSIONS, v += HALVES) {
        const __m512i one = _mm512_load_si512(v), two = _mm512_load_si512(v + 1);
#pragma GCC unroll 12
        for (int s = 0; s < SESSIONS; ++s) {
            const __m512i some = _mm512_set1_epi32(x[s]);
            ADD(sums[s][0], one, some);
            ADD(sums[s][1], two, some);
        }
    }
}

}  // namespace

#endif
