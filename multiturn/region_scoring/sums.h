// What kernels of whole numbers share: the regions, state vectors and sums over regions; whole_numbers.py explains it.

#pragma once

#include <cstddef>
#include <cstdint>

#include "../whole_numbers.h"

#if HAS_WHOLE_NUMBERS

namespace {

const int TERMS = 6;  // of the length of the cosines' errors

// All candidates, 32 a group; lines of vectors begin at multiples of 64 bytes.
struct Regions {
    const void *wide, *narrow;               // whole numbers, in the kernel's own order; see layouts.py
    const float *wide_scale, *narrow_scale;  // [group][region][32]: what products are multiplied by, beside a session's
    const uint16_t* real;                    // [group][region][half] bits of 16 candidates
    const float* norms;                      // [TERMS][group][32]
    int64_t candidates, regions, wide_steps, narrow_steps;
};

// State vectors; filled up to as many as the kernel takes at once.
struct States {
    const void *wide, *narrow;  // whole numbers, in the kernel's own order; see layouts.py
    const int32_t* start;       // [session] where sums of narrow products begin
    const float *wide_scale, *narrow_scale;
    const float* terms;   // [TERMS][session] what to multiply the candidates' norms by
    const float* beside;  // [session] to add to the roots of sums of (df/ds_k)^2
    int64_t count, filled;
};

// `scale` is what cosines come multiplied by: sharpness / log 2, or a little where that is nothing.
struct Formula {
    float sharpness, scale, floor, growth, rounding;
};

// What is found: similarities and their reach, in bfloat16, [session, candidate]; the largest mean square so far [session].
struct Found {
    float* table;
    uint16_t* reach;
    float* squares;
};

// 2^t, |t| < 120, and 0 where `real` has no bit: the best polynomial of degree 4 on [-1/2, 1/2] is within 2.6e-6.
inline __m512 power_of_two(__m512 t, __mmask16 real) {
    const __m512 shift = _mm512_set1_ps(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer, in the last bits
    const __m512 moved = _mm512_add_ps(t, shift);
    const __m512 r = _mm512_reduce_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);  // what is beside the integer
    __m512 p = _mm512_set1_ps(9.570102207362652e-3f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.591785907745361e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.40247443318367e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.931217908859253e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.999992847442627e-1f));
    const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(moved), 23);
    return _mm512_castsi512_ps(_mm512_maskz_add_epi32(real, _mm512_castps_si512(p), exponent));
}

// Sums over regions of e = 2^t, where t is the cosine times `scale`, and of e t, e t^2, e^2, e^2 t and e^2 t^2, of 16
// candidates.
struct Sums {
    __m512 e, et, ett, ee, eet, eett;
};

inline void add_region(__m512 t, __mmask16 real, Sums& total) {
    const __m512 e = power_of_two(t, real);
    const __m512 et = _mm512_mul_ps(e, t);
    total.e = _mm512_add_ps(total.e, e);
    total.et = _mm512_add_ps(total.et, et);
    total.ett = _mm512_fmadd_ps(et, t, total.ett);
    total.ee = _mm512_fmadd_ps(e, e, total.ee);
    total.eet = _mm512_fmadd_ps(e, et, total.eet);
    total.eett = _mm512_fmadd_ps(et, et, total.eett);
}

// How many of a group's regions are worth a look: those after them are no candidate's.
inline int64_t used_regions(const Regions& v, int64_t group) {
    const uint16_t* real = v.real + group * v.regions * 2;
    int64_t used = v.regions;
    while (used > 1 && !real[used * 2 - 2] && !real[used * 2 - 1]) --used;
    return used;
}

// Similarities of 16 candidates to one session, and how far they may be wrong.
inline void write(const Sums& sums, const States& x, int64_t s, const Regions& v, int64_t column, const Formula& f,
                  const Found& found) {
    const int64_t left = v.candidates - column, padded = (v.candidates + 31) / 32 * 32;
    if (left <= 0) return;
    const __mmask16 there = left < 16 ? (1 << left) - 1 : 0xffff;
    const __m512 one = _mm512_set1_ps(1.0f), b = _mm512_set1_ps(f.sharpness);
    const __m512 total = _mm512_div_ps(one, _mm512_mask_mov_ps(one, there, sums.e));
    const __m512 unscaled = _mm512_mul_ps(total, _mm512_set1_ps(1 / f.scale));
    const __m512 mean = _mm512_mul_ps(sums.et, unscaled);
    const __m512 g = _mm512_fnmadd_ps(b, mean, one);  // df/ds_k = a_k (g + b s_k)
    // First divided, then multiplied: squares of exp(40) are near the end of float32.
    const __m512 aa = _mm512_mul_ps(_mm512_mul_ps(sums.ee, total), total);
    const __m512 aas = _mm512_mul_ps(b, _mm512_mul_ps(_mm512_mul_ps(sums.eet, total), unscaled));
    const __m512 aass = _mm512_mul_ps(_mm512_mul_ps(sums.eett, unscaled), unscaled);
    const __m512 inner = _mm512_fmadd_ps(g, aa, _mm512_add_ps(aas, aas));
    const __m512 pull = _mm512_fmadd_ps(g, inner, _mm512_mul_ps(_mm512_mul_ps(b, b), aass));
    __m512 error = _mm512_setzero_ps();
    for (int term = 0; term < TERMS; ++term)
        error = _mm512_fmadd_ps(_mm512_set1_ps(x.terms[term * x.filled + s]),
                                _mm512_loadu_ps(v.norms + term * padded + column), error);
    const __m512 grown = power_of_two(_mm512_min_ps(_mm512_mul_ps(_mm512_set1_ps(2.88539008f * f.sharpness), error),
                                                    _mm512_set1_ps(60.0f)), 0xffff);
    __m512 root = _mm512_sqrt_ps(_mm512_add_ps(_mm512_max_ps(pull, _mm512_setzero_ps()), _mm512_set1_ps(f.floor)));
    root = _mm512_fmadd_ps(root, _mm512_set1_ps(1.001f), _mm512_set1_ps(x.beside[s]));
    root = _mm512_fmadd_ps(error, _mm512_set1_ps(f.growth), root);
    __m512 reach = _mm512_mul_ps(_mm512_mul_ps(grown, root), error);
    reach = _mm512_fmadd_ps(reach, _mm512_set1_ps(1.0001f), _mm512_set1_ps(f.rounding));
    _mm512_mask_storeu_ps(found.table + s * v.candidates + column, there, mean);
    // Rounded up.
    const __m512i bits = _mm512_srli_epi32(_mm512_add_epi32(_mm512_castps_si512(reach), _mm512_set1_epi32(0xffff)), 16);
    _mm512_mask_cvtepi32_storeu_epi16(found.reach + s * v.candidates + column, there, bits);
    const float most = _mm512_mask_reduce_max_ps(there, _mm512_mul_ps(sums.ett, unscaled)) / f.scale;
    if (most > found.squares[s]) found.squares[s] = most;
}

}  // namespace

#endif
