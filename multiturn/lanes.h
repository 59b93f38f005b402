// Numbers side by side in one register: 16 (AVX-512) or 8 (AVX2), whichever this processor has.

#pragma once

#include <cstdint>

const float TO_INTEGER = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, in the last bits

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

#include <immintrin.h>

#define LANES 16

namespace {

typedef __m512 Floats;
typedef __m512i Integers;
typedef uint16_t Bits;   // one a lane
typedef __mmask16 Mask;  // lanes

inline Mask mask_of(Bits bits) { return bits; }
inline Floats all(float x) { return _mm512_set1_ps(x); }
inline Integers all(int32_t x) { return _mm512_set1_epi32(x); }
inline Floats read(const float* from) { return _mm512_loadu_ps(from); }
inline Floats read(const float* from, Mask those) { return _mm512_maskz_loadu_ps(those, from); }
inline Integers read_aligned(const Integers* from) { return _mm512_load_si512(from); }
inline void put(float* to, Floats x) { _mm512_storeu_ps(to, x); }
inline void put(float* to, Mask those, Floats x) { _mm512_mask_storeu_ps(to, those, x); }

inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats subtract_product(Floats c, Floats a, Floats b) { return _mm512_fnmadd_ps(a, b, c); }  // c - a * b
inline Floats least(Floats a, Floats b) { return _mm512_min_ps(a, b); }
inline Floats most(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats root(Floats x) { return _mm512_sqrt_ps(x); }
// x less the nearest integer, |x| < 2^22.
inline Floats beside_integer(Floats x) {
#if defined(__znver3__) || defined(__znver4__) || defined(__znver5__)  // AMD's vreduceps takes as long as many additions
    return x - ((x + all(TO_INTEGER)) - all(TO_INTEGER));
#else
    return _mm512_reduce_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#endif
}
inline Floats to_floats(Integers x) { return _mm512_cvtepi32_ps(x); }
inline Integers to_integers(Floats x) { return _mm512_cvtps_epi32(x); }  // the nearest
inline Integers add(Integers a, Integers b) { return _mm512_add_epi32(a, b); }
inline Integers left(Integers x, int bits) { return _mm512_slli_epi32(x, bits); }
inline Integers low_byte(Integers x) { return _mm512_srai_epi32(_mm512_slli_epi32(x, 24), 24); }  // with its sign
inline Integers bits_of(Floats x) { return _mm512_castps_si512(x); }
inline Floats choose(Mask those, Floats x, Floats other) { return _mm512_mask_mov_ps(other, those, x); }
// a + b as the bits of a number, and 0 in other lanes.
inline Floats sum_of_bits(Mask those, Integers a, Integers b) { return _mm512_castsi512_ps(_mm512_maskz_add_epi32(those, a, b)); }
inline Bits greater(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
inline Bits at_least(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
inline float largest_of(Mask those, Floats x) { return _mm512_mask_reduce_max_ps(those, x); }

// Numbers in bfloat16: the upper halves of float32.
inline Floats read_upper_halves(const uint16_t* from, Mask those) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(those, from)), 16));
}
inline void put_upper_halves(uint16_t* to, Mask those, Integers x) {
    _mm512_mask_cvtepi32_storeu_epi16(to, those, _mm512_srli_epi32(x, 16));
}

// sums += the products of pairs of int16. Written out: compilers that see intrinsics keep the sums in memory.
inline void add_int16_products(Integers& sums, Integers x, Integers y) {
#if defined(__AVX512VNNI__)
    asm("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(x), "v"(y));
#else
    Integers products;
    asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+v"(sums), "=&v"(products) : "v"(x), "v"(y));
#endif
}

#if defined(__AVX512VNNI__)
#define HAS_VNNI 1
// sums += the products of fours of int8, of which the first are unsigned.
inline void add_int8_products(Integers& sums, Integers x, Integers y) { asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(x), "v"(y)); }
#endif

}  // namespace

#elif defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>

#define LANES 8

namespace {

typedef __m256 Floats;
typedef __m256i Integers;
typedef uint8_t Bits;
typedef __m256i Mask;  // of a lane all bits, or none

inline Integers all(int32_t x) { return _mm256_set1_epi32(x); }
inline Mask mask_of(Bits bits) {
    const Integers own = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(all((int32_t)bits), own), own);
}
inline Floats all(float x) { return _mm256_set1_ps(x); }
inline Floats read(const float* from) { return _mm256_loadu_ps(from); }
inline Floats read(const float* from, Mask those) { return _mm256_maskload_ps(from, those); }
inline Integers read_aligned(const Integers* from) { return _mm256_load_si256(from); }
inline void put(float* to, Floats x) { _mm256_storeu_ps(to, x); }
inline void put(float* to, Mask those, Floats x) { _mm256_maskstore_ps(to, those, x); }

inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
inline Floats subtract_product(Floats c, Floats a, Floats b) { return _mm256_fnmadd_ps(a, b, c); }
inline Floats least(Floats a, Floats b) { return _mm256_min_ps(a, b); }
inline Floats most(Floats a, Floats b) { return _mm256_max_ps(a, b); }
inline Floats root(Floats x) { return _mm256_sqrt_ps(x); }
inline Floats beside_integer(Floats x) {
    return _mm256_sub_ps(x, _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline Floats to_floats(Integers x) { return _mm256_cvtepi32_ps(x); }
inline Integers to_integers(Floats x) { return _mm256_cvtps_epi32(x); }
inline Integers add(Integers a, Integers b) { return _mm256_add_epi32(a, b); }
inline Integers left(Integers x, int bits) { return _mm256_slli_epi32(x, bits); }
inline Integers low_byte(Integers x) { return _mm256_srai_epi32(_mm256_slli_epi32(x, 24), 24); }
inline Integers bits_of(Floats x) { return _mm256_castps_si256(x); }
inline Floats choose(Mask those, Floats x, Floats other) { return _mm256_blendv_ps(other, x, _mm256_castsi256_ps(those)); }
inline Floats sum_of_bits(Mask those, Integers a, Integers b) {
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_add_epi32(a, b), those));
}
inline Bits greater(Floats a, Floats b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)); }
inline Bits at_least(Floats a, Floats b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ)); }
inline float largest_of(Mask those, Floats x) {
    const Floats some = choose(those, x, all(-__builtin_inff()));
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(some), _mm256_extractf128_ps(some, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

inline Floats read_upper_halves(const uint16_t* from, Mask those) {
    const int lanes = _mm256_movemask_ps(_mm256_castsi256_ps(those));
    uint16_t some[8] = {};
    if (lanes != 255)
        for (int i = 0; i < 8; ++i) some[i] = lanes >> i & 1 ? from[i] : 0;
    const __m128i halves = _mm_loadu_si128((const __m128i*)(lanes == 255 ? from : some));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
inline void put_upper_halves(uint16_t* to, Mask those, Integers x) {
    const int lanes = _mm256_movemask_ps(_mm256_castsi256_ps(those));
    const Integers upper = _mm256_srli_epi32(x, 16);
    const __m128i halves = _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
    if (lanes == 255) return _mm_storeu_si128((__m128i*)to, halves);
    uint16_t some[8];
    _mm_storeu_si128((__m128i*)some, halves);
    for (int i = 0; i < 8; ++i)
        if (lanes >> i & 1) to[i] = some[i];
}

inline void add_int16_products(Integers& sums, Integers x, Integers y) {
    Integers products;
    asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sums), "=&x"(products) : "x"(x), "x"(y));
}

}  // namespace

#endif

#ifdef LANES

namespace {

// As many of the lanes as there are numbers left.
inline Bits lanes_of(int64_t count) { return count < LANES ? (1 << count) - 1 : -1; }

}  // namespace

#endif

#ifndef LANES
#define LANES_HERE 0
#else
#define LANES_HERE LANES
#endif
#ifndef HAS_VNNI
#define HAS_VNNI 0
#endif

// For those who load the library: numbers that a register holds, or 0; and 1 if the processor has AVX-512 VNNI.
extern "C" __attribute__((used)) inline int64_t lanes() { return LANES_HERE; }
extern "C" __attribute__((used)) inline int64_t has_vnni() { return HAS_VNNI; }
