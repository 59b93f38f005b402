// Fused scoring of state vectors against regions by products of 16-bit whole numbers; whole_numbers.py explains it.

#include <cstdint>
#include <vector>

#include "../whole_numbers.h"

#if HAS_WHOLE_NUMBERS

namespace {

// Cosines of 12 sessions and 32 candidates for one region: the sums of whole numbers are exact.
inline void multiply(const int32_t* x, const __m512i* v, int64_t steps, const float* by_session, const float* by_region,
                     float* cosines) {
    __m512i sums[SESSIONS][HALVES];
    add_up(x, v, steps, sums);
#pragma GCC unroll 12
    for (int s = 0; s < SESSIONS; ++s)
#pragma GCC unroll 2
        for (int half = 0; half < HALVES; ++half) {
            const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(by_session[s]), _mm512_loadu_ps(by_region + 16 * half));
            _mm512_storeu_ps(cosines + (s * HALVES + half) * 16,
                             _mm512_mul_ps(_mm512_cvtepi32_ps(sums[s][half]), scale));
        }
}

// 2^(scale * x), |scale * x| < 60: the Taylor polynomial of degree 5 on [-1/2, 1/2] is within 2.5e-6.
inline __m512 exp_of(__m512 x, __m512 scale) {
    const __m512 t = _mm512_mul_ps(x, scale);
    const __m512 power = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 r = _mm512_sub_ps(t, power);
    __m512 p = _mm512_set1_ps(1.33335581e-3f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.61812911e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.55041087e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.40226507e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.93147181e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, power);
}

// Sums over regions of e = exp(sharpness s) and of e s, e s^2, e^2, e^2 s and e^2 s^2, of 16 candidates.
struct Sums {
    __m512 e, es, ess, ee, ees, eess;
};

inline Sums sums_over(const float* cosines, const uint16_t* real, int64_t regions, __m512 scale) {
    const __m512 zero = _mm512_setzero_ps();
    Sums sums = {zero, zero, zero, zero, zero, zero};
    for (int64_t k = 0; k < regions; ++k) {
        const __m512 s = _mm512_loadu_ps(cosines + k * SESSIONS * HALVES * 16);
        const __m512 e = _mm512_maskz_mov_ps(real[2 * k], exp_of(s, scale));
        const __m512 es = _mm512_mul_ps(e, s);
        sums.e = _mm512_add_ps(sums.e, e);
        sums.es = _mm512_add_ps(sums.es, es);
        sums.ess = _mm512_fmadd_ps(es, s, sums.ess);
        sums.ee = _mm512_fmadd_ps(e, e, sums.ee);
        sums.ees = _mm512_fmadd_ps(e, es, sums.ees);
        sums.eess = _mm512_fmadd_ps(es, es, sums.eess);
    }
    return sums;
}

inline void raise(float* most, float value) {
    if (value > *most) *most = value;
}

}  // namespace

// 1 if the processor multiplies 16-bit whole numbers in pairs.
extern "C" int64_t has_whole_numbers() { return 1; }

// Similarities of all sessions with the candidates of groups [first, last), 32 a group.
//   units      [session / 12][step][12 sessions] pairs of numbers; filled up to a multiple of 12, and by_session, too
//   vectors    [candidate / 32][region][step][half][16 candidates][2], aligned to 64 bytes
//   by_region  [candidate / 32][region][32] what to multiply a product with, beside by_session[session]
//   real       [candidate / 32][region][half] bits of 16 candidates
//   table      [session, candidate]; pulls likewise, the sum of (df/ds_k)^2
//   squares, most  [session] the largest mean square so far, and the largest of `pulls`
extern "C" void score_whole_numbers(const int32_t* units, const float* by_session, const int16_t* vectors,
                                    const float* by_region, const uint16_t* real, int64_t sessions, int64_t candidates,
                                    int64_t regions, int64_t steps, float sharpness, int64_t first, int64_t last,
                                    float* table, float* pulls, float* squares, float* most) {
    std::vector<float> cosines(regions * SESSIONS * HALVES * 16);
    const __m512 scale = _mm512_set1_ps(sharpness * 1.44269504f), b = _mm512_set1_ps(sharpness);
    const __m512 one = _mm512_set1_ps(1.0f);
    for (int64_t group = first; group < last; ++group) {
        const __m512i* v = (const __m512i*)vectors + group * regions * steps * HALVES;
        const float* scales = by_region + group * regions * 32;
        const uint16_t* masks = real + group * regions * 2;
        int64_t used = regions;
        while (used > 1 && !masks[used * 2 - 2] && !masks[used * 2 - 1]) --used;
        for (int64_t s = 0; s < sessions; s += SESSIONS) {
            for (int64_t k = 0; k < used; ++k)
                multiply(units + s * steps, v + k * steps * HALVES, steps, by_session + s, scales + k * 32,
                         cosines.data() + k * SESSIONS * HALVES * 16);
            for (int64_t row = 0; row < SESSIONS && s + row < sessions; ++row)
                for (int64_t half = 0; half < HALVES; ++half) {
                    const int64_t column = group * 32 + half * 16, left = candidates - column;
                    if (left <= 0) continue;
                    const __mmask16 there = left < 16 ? (1 << left) - 1 : 0xffff;
                    const Sums sums = sums_over(cosines.data() + (row * HALVES + half) * 16, masks + half, used, scale);
                    const __m512 total = _mm512_div_ps(one, _mm512_mask_mov_ps(one, there, sums.e));
                    const __m512 mean = _mm512_mul_ps(sums.es, total);
                    const __m512 g = _mm512_fnmadd_ps(b, mean, one);  // df/ds_k = a_k (g + b s_k)
                    // First divided, then multiplied: squares of exp(40) are near the end of float32.
                    const __m512 aa = _mm512_mul_ps(_mm512_mul_ps(sums.ee, total), total);
                    const __m512 aas = _mm512_mul_ps(b, _mm512_mul_ps(_mm512_mul_ps(sums.ees, total), total));
                    const __m512 aass = _mm512_mul_ps(_mm512_mul_ps(sums.eess, total), total);
                    const __m512 inner = _mm512_fmadd_ps(g, aa, _mm512_add_ps(aas, aas));
                    const __m512 pull = _mm512_fmadd_ps(g, inner, _mm512_mul_ps(_mm512_mul_ps(b, b), aass));
                    _mm512_mask_storeu_ps(table + (s + row) * candidates + column, there, mean);
                    _mm512_mask_storeu_ps(pulls + (s + row) * candidates + column, there, pull);
                    raise(squares + s + row, _mm512_mask_reduce_max_ps(there, _mm512_mul_ps(sums.ess, total)));
                    raise(most + s + row, _mm512_mask_reduce_max_ps(there, pull));
                }
        }
    }
}

#else

extern "C" int64_t has_whole_numbers() { return 0; }

#endif
