// Fused scoring of state vectors against regions by products of whole numbers (AVX-512 VNNI).

#include "sums.h"

#if HAS_WHOLE_NUMBERS

namespace {

const int64_t REGIONS = 9;                   // at once: their cosines stay in the nearest cache
const int64_t LANES = SESSIONS * HALVES;  // vectors of 16 candidates

// Cosines, times the formula's scale, of 12 sessions and 32 candidates for one region: the sums of whole numbers are exact.
//   x.wide, x.narrow  [session / 12][step][12 sessions] pairs of 16 bits, and fours of 8
//   v.wide, v.narrow  [group][region][step][half][16 candidates] likewise; to narrow ones 128 is added
inline void multiply(const States& x, int64_t s, const Regions& v, int64_t row, __m512* cosines) {
    __m512i sums[SESSIONS][HALVES];
    add_up<add_products>((const int32_t*)x.wide + s * v.wide_steps, (const __m512i*)v.wide + row * v.wide_steps * HALVES, v.wide_steps, sums);
    const __m512 scale[HALVES] = {_mm512_loadu_ps(v.wide_scale + row * 32), _mm512_loadu_ps(v.wide_scale + row * 32 + 16)};
#pragma GCC unroll 12
    for (int i = 0; i < SESSIONS; ++i)
#pragma GCC unroll 2
        for (int half = 0; half < HALVES; ++half)
            cosines[i * HALVES + half] = _mm512_mul_ps(
                _mm512_cvtepi32_ps(sums[i][half]), _mm512_mul_ps(_mm512_set1_ps(x.wide_scale[s + i]), scale[half]));
    if (v.narrow_steps == 0) return;
    add_up<add_fours>((const int32_t*)x.narrow + s * v.narrow_steps, (const __m512i*)v.narrow + row * v.narrow_steps * HALVES,
                      v.narrow_steps, sums, x.start + s);
    const __m512 narrow[HALVES] = {_mm512_loadu_ps(v.narrow_scale + row * 32),
                                   _mm512_loadu_ps(v.narrow_scale + row * 32 + 16)};
#pragma GCC unroll 12
    for (int i = 0; i < SESSIONS; ++i)
#pragma GCC unroll 2
        for (int half = 0; half < HALVES; ++half)
            cosines[i * HALVES + half] = _mm512_fmadd_ps(
                _mm512_cvtepi32_ps(sums[i][half]), _mm512_mul_ps(_mm512_set1_ps(x.narrow_scale[s + i]), narrow[half]),
                cosines[i * HALVES + half]);
}

inline void add_regions(const __m512* cosines, const uint16_t* real, int64_t regions, Sums& sums) {
    Sums total = sums;
    for (int64_t k = 0; k < regions; ++k) add_region(cosines[k * LANES], real[2 * k], total);
    sums = total;
}

}  // namespace

// 1 if the processor multiplies whole numbers and adds up the products.
extern "C" int64_t has_whole_numbers() { return 1; }

// Similarities of all sessions with the candidates of groups [first, last), 32 a group.
extern "C" void score_whole_numbers(const States* states, const Regions* regions, const Formula* formula,
                                    const Found* found, int64_t first, int64_t last) {
    const States& x = *states;
    const Regions& v = *regions;
    for (int64_t group = first; group < last; ++group) {
        const uint16_t* real = v.real + group * v.regions * 2;
        const int64_t used = used_regions(v, group);
        for (int64_t s = 0; s < x.count; s += SESSIONS) {
            __m512 cosines[REGIONS * LANES];
            Sums sums[LANES] = {};
            for (int64_t k = 0; k < used; k += REGIONS) {
                const int64_t some = used - k < REGIONS ? used - k : REGIONS;
                for (int64_t i = 0; i < some; ++i)
                    multiply(x, s, v, group * v.regions + k + i, cosines + i * LANES);
                for (int64_t lane = 0; lane < LANES; ++lane)
                    add_regions(cosines + lane, real + 2 * k + lane % HALVES, some, sums[lane]);
            }
            for (int64_t lane = 0; lane < LANES && s + lane / HALVES < x.count; ++lane)
                write(sums[lane], x, s + lane / HALVES, v, group * 32 + lane % HALVES * 16, *formula, *found);
        }
    }
}

#else

extern "C" int64_t has_whole_numbers() { return 0; }

#endif
