// Fused scoring of state vectors against regions by products of whole numbers; whole_numbers.py explains it.

#include <cstddef>
#include <cstdint>

#include "../whole_numbers.h"

#if HAS_WHOLE_NUMBERS

namespace {

const int64_t REGIONS = 9;  // at once: their cosines stay in the nearest cache
const int TERMS = 3;
const int64_t LANES = SESSIONS * HALVES;  // vectors of 16 candidates

// All candidates, 32 a group; lines of vectors begin at multiples of 64 narrow.
struct Regions {
    const int16_t* wide;    // [group][region][step][half][16 candidates][2]
    const uint8_t* narrow;  // [group][region][step][half][16 candidates][4], each number and 128
    const float *wide_scale, *narrow_scale;  // [group][region][32]: what products are multiplied by, beside a session's
    const uint16_t* real;                    // [group][region][half] bits of 16 candidates
    const float* norms;                      // [TERMS][group][32]
    int64_t candidates, regions, wide_steps, narrow_steps;
};

// State vectors; filled up to a multiple of 12, but for `most` and `squares`.
struct States {
    const int32_t *wide, *narrow;  // [session / 12][step][12 sessions] pairs, and fours, of numbers
    const int32_t* start;          // [session] what takes the 128 off again
    const float *wide_scale, *narrow_scale;
    const float* error;   // [session] length of the cosines' errors, beside the terms
    const float* terms;   // [TERMS][session] what to multiply the candidates' norms by, to be added to that
    const float* beside;  // [session] to add to the roots of sums of (df/ds_k)^2
    int64_t count;
};

struct Formula {
    float sharpness, floor, growth, rounding;
};

// What is found: similarities and their reach [session, candidate]; the largest mean square, reach and error so far.
struct Found {
    float *table, *reach, *squares, *most, *error;
};

// Cosines of 12 sessions and 32 candidates for one region: the sums of whole numbers are exact.
inline void multiply(const States& x, int64_t s, const Regions& v, int64_t row, __m512* cosines) {
    __m512i sums[SESSIONS][HALVES];
    add_up<add_products>(x.wide + s * v.wide_steps, (const __m512i*)v.wide + row * v.wide_steps * HALVES, v.wide_steps, sums);
    const __m512 scale[HALVES] = {_mm512_loadu_ps(v.wide_scale + row * 32), _mm512_loadu_ps(v.wide_scale + row * 32 + 16)};
#pragma GCC unroll 12
    for (int i = 0; i < SESSIONS; ++i)
#pragma GCC unroll 2
        for (int half = 0; half < HALVES; ++half)
            cosines[i * HALVES + half] = _mm512_mul_ps(
                _mm512_cvtepi32_ps(sums[i][half]), _mm512_mul_ps(_mm512_set1_ps(x.wide_scale[s + i]), scale[half]));
    if (v.narrow_steps == 0) return;
    add_up<add_fours>(x.narrow + s * v.narrow_steps, (const __m512i*)v.narrow + row * v.narrow_steps * HALVES,
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

// 2^t, |t| < 120, and 0 where `real` has no bit: the best polynomial of degree 4 on [-1/2, 1/2] is within 2.6e-6.
inline __m512 power_of_two(__m512 t, __mmask16 real) {
    const __m512 shift = _mm512_set1_ps(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer, in the last bits
    const __m512 moved = _mm512_add_ps(t, shift);
    const __m512 r = _mm512_sub_ps(t, _mm512_sub_ps(moved, shift));
    __m512 p = _mm512_set1_ps(9.570102207362652e-3f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.591785907745361e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.40247443318367e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.931217908859253e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.999992847442627e-1f));
    const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(moved), 23);
    return _mm512_castsi512_ps(_mm512_maskz_add_epi32(real, _mm512_castps_si512(p), exponent));
}

// Sums over regions of e = exp(sharpness s) and of e s, e s^2, e^2, e^2 s and e^2 s^2, of 16 candidates.
struct Sums {
    __m512 e, es, ess, ee, ees, eess;
};

inline void add_regions(const __m512* cosines, const uint16_t* real, int64_t regions, __m512 scale, Sums& sums) {
    Sums total = sums;
    for (int64_t k = 0; k < regions; ++k) {
        const __m512 s = cosines[k * LANES];
        const __m512 e = power_of_two(_mm512_mul_ps(s, scale), real[2 * k]);
        const __m512 es = _mm512_mul_ps(e, s);
        total.e = _mm512_add_ps(total.e, e);
        total.es = _mm512_add_ps(total.es, es);
        total.ess = _mm512_fmadd_ps(es, s, total.ess);
        total.ee = _mm512_fmadd_ps(e, e, total.ee);
        total.ees = _mm512_fmadd_ps(e, es, total.ees);
        total.eess = _mm512_fmadd_ps(es, es, total.eess);
    }
    sums = total;
}

inline void raise(float* most, __mmask16 there, __m512 values) {
    const float value = _mm512_mask_reduce_max_ps(there, values);
    if (value > *most) *most = value;
}

// Similarities of 16 candidates to one session, and how far they may be wrong.
inline void write(const Sums& sums, const States& x, int64_t s, const Regions& v, int64_t column, int64_t width,
                  const Formula& f, const Found& found) {
    const int64_t left = v.candidates - column, padded = (v.candidates + 31) / 32 * 32;
    if (left <= 0) return;
    const __mmask16 there = left < 16 ? (1 << left) - 1 : 0xffff;
    const __m512 one = _mm512_set1_ps(1.0f), b = _mm512_set1_ps(f.sharpness);
    const __m512 total = _mm512_div_ps(one, _mm512_mask_mov_ps(one, there, sums.e));
    const __m512 mean = _mm512_mul_ps(sums.es, total);
    const __m512 g = _mm512_fnmadd_ps(b, mean, one);  // df/ds_k = a_k (g + b s_k)
    // First divided, then multiplied: squares of exp(40) are near the end of float32.
    const __m512 aa = _mm512_mul_ps(_mm512_mul_ps(sums.ee, total), total);
    const __m512 aas = _mm512_mul_ps(b, _mm512_mul_ps(_mm512_mul_ps(sums.ees, total), total));
    const __m512 aass = _mm512_mul_ps(_mm512_mul_ps(sums.eess, total), total);
    const __m512 inner = _mm512_fmadd_ps(g, aa, _mm512_add_ps(aas, aas));
    const __m512 pull = _mm512_fmadd_ps(g, inner, _mm512_mul_ps(_mm512_mul_ps(b, b), aass));
    __m512 error = _mm512_set1_ps(x.error[s]);
    for (int term = 0; term < TERMS; ++term)
        error = _mm512_fmadd_ps(_mm512_set1_ps(x.terms[term * width + s]),
                                _mm512_loadu_ps(v.norms + term * padded + column), error);
    const __m512 grown = power_of_two(_mm512_min_ps(_mm512_mul_ps(_mm512_set1_ps(2.88539008f * f.sharpness), error),
                                                    _mm512_set1_ps(60.0f)), 0xffff);
    __m512 root = _mm512_sqrt_ps(_mm512_add_ps(_mm512_max_ps(pull, _mm512_setzero_ps()), _mm512_set1_ps(f.floor)));
    root = _mm512_fmadd_ps(root, _mm512_set1_ps(1.001f), _mm512_set1_ps(x.beside[s]));
    root = _mm512_fmadd_ps(error, _mm512_set1_ps(f.growth), root);
    __m512 reach = _mm512_mul_ps(_mm512_mul_ps(grown, root), error);
    reach = _mm512_fmadd_ps(reach, _mm512_set1_ps(1.0001f), _mm512_set1_ps(f.rounding));
    _mm512_mask_storeu_ps(found.table + s * v.candidates + column, there, mean);
    _mm512_mask_storeu_ps(found.reach + s * v.candidates + column, there, reach);
    raise(found.squares + s, there, _mm512_mul_ps(sums.ess, total));
    raise(found.most + s, there, reach);
    raise(found.error + s, there, error);
}

}  // namespace

// 1 if the processor multiplies whole numbers and adds up the products.
extern "C" int64_t has_whole_numbers() { return 1; }

// Similarities of all sessions with the candidates of groups [first, last), 32 a group.
extern "C" void score_whole_numbers(const States* states, const Regions* regions, const Formula* formula,
                                    const Found* found, int64_t first, int64_t last) {
    const States& x = *states;
    const Regions& v = *regions;
    const __m512 scale = _mm512_set1_ps(formula->sharpness * 1.44269504f);
    const int64_t width = (x.count + SESSIONS - 1) / SESSIONS * SESSIONS;
    for (int64_t group = first; group < last; ++group) {
        const uint16_t* real = v.real + group * v.regions * 2;
        int64_t used = v.regions;
        while (used > 1 && !real[used * 2 - 2] && !real[used * 2 - 1]) --used;
        for (int64_t s = 0; s < x.count; s += SESSIONS) {
            __m512 cosines[REGIONS * LANES];
            Sums sums[LANES] = {};
            for (int64_t k = 0; k < used; k += REGIONS) {
                const int64_t some = used - k < REGIONS ? used - k : REGIONS;
                for (int64_t i = 0; i < some; ++i)
                    multiply(x, s, v, group * v.regions + k + i, cosines + i * LANES);
                for (int64_t lane = 0; lane < LANES; ++lane)
                    add_regions(cosines + lane, real + 2 * k + lane % HALVES, some, scale, sums[lane]);
            }
            for (int64_t lane = 0; lane < LANES && s + lane / HALVES < x.count; ++lane)
                write(sums[lane], x, s + lane / HALVES, v, group * 32 + lane % HALVES * 16, width, *formula, *found);
        }
    }
}

namespace {

// Scores that are sums of shares of similarities.
struct Shares {
    const float *const *tables, *const *reaches;  // [column] of [session, candidate]: similarities, and their reach
    const float* shares;                          // [column][session]
    // [column][session] what an error is at most, what is to be added to a reach, and what both are then multiplied by
    const float *most, *more, *times;
    int64_t columns, sessions, candidates;
    float beside;  // to be added to the errors
};

// What scores are compared with, of each session; see multiturn.close_calls.
struct Limits {
    const float *low, *high, *floor;
    int64_t width;
};

const int64_t SCORES = 1 << 13, WIDEST = 64;

// Between which numbers the scores of one session with candidates [first, first + count) lie; count is filled up to 16.
inline void bound(const Shares& of, int64_t s, int64_t first, int64_t count, float* lower, float* upper) {
    for (int64_t c = 0; c < count; c += 16) {
        const __mmask16 there = count - c < 16 ? (1 << (count - c)) - 1 : 0xffff;
        __m512 total = _mm512_setzero_ps(), error = _mm512_set1_ps(of.beside);
        for (int64_t m = 0; m < of.columns; ++m) {
            const int64_t at = m * of.sessions + s, cell = s * of.candidates + first + c;
            if (of.shares[at] == 0) continue;
            const __m512 reach = _mm512_maskz_loadu_ps(there, of.reaches[m] + cell);
            const __m512 own = _mm512_min_ps(_mm512_add_ps(reach, _mm512_set1_ps(of.more[at])), _mm512_set1_ps(of.most[at]));
            const __m512 similarity = _mm512_maskz_loadu_ps(there, of.tables[m] + cell);
            total = _mm512_fmadd_ps(_mm512_set1_ps(of.shares[at]), similarity, total);
            error = _mm512_fmadd_ps(_mm512_set1_ps(of.times[at]), own, error);
        }
        const __m512 none = _mm512_set1_ps(-__builtin_inff());
        _mm512_storeu_ps(lower + c, _mm512_mask_mov_ps(none, there, _mm512_sub_ps(total, error)));
        _mm512_storeu_ps(upper + c, _mm512_mask_mov_ps(none, there, _mm512_add_ps(total, error)));
    }
}

// The width-th largest of some numbers, minus infinity if there are fewer; count is filled up to 16 by such.
inline float largest(const float* numbers, int64_t count, int64_t width) {
    float best[WIDEST];  // ascending
    for (int64_t i = 0; i < width; ++i) best[i] = -__builtin_inff();
    for (int64_t c = 0; c < count; c += 16) {
        const __m512 some = _mm512_loadu_ps(numbers + c);
        for (unsigned left = _mm512_cmp_ps_mask(some, _mm512_set1_ps(best[0]), _CMP_GT_OQ); left; left &= left - 1) {
            const float number = numbers[c + __builtin_ctz(left)];
            if (number <= best[0]) continue;
            int64_t i = 0;
            for (; i + 1 < width && best[i + 1] < number; ++i) best[i] = best[i + 1];
            best[i] = number;
        }
    }
    return best[0];
}

}  // namespace

// Close calls of sessions [from, to) among the candidates [first, last); returns how many there are.
//   above      [session] how many beat the watched one
//   session, candidate, kinds  of the first `room` close calls; kind 1: with the watched, 2: with the best, 3: both
extern "C" int64_t find_close(const Shares* shares, const Limits* limits, int64_t first, int64_t last, int64_t from,
                              int64_t to, int64_t room, int64_t* above, int64_t* session, int64_t* candidate,
                              uint8_t* kinds) {
    static thread_local float lower[SCORES], upper[SCORES];
    int64_t found = 0;
    if (limits->width > WIDEST) return room + 1;
    for (int64_t s = from; s < to; ++s)
        for (int64_t begin = first; begin < last; begin += SCORES) {
            const int64_t count = last - begin < SCORES ? last - begin : SCORES;
            bound(*shares, s, begin, count, lower, upper);
            const __m512 high = _mm512_set1_ps(limits->high[s]), low = _mm512_set1_ps(limits->low[s]);
            const __m512 floor = _mm512_set1_ps(limits->floor[s]);
            const __m512 guess = _mm512_set1_ps(largest(lower, count, limits->width));
            for (int64_t c = 0; c < count; c += 16) {
                const __m512 least = _mm512_loadu_ps(lower + c), most = _mm512_loadu_ps(upper + c);
                const __mmask16 there = count - c < 16 ? (1 << (count - c)) - 1 : 0xffff;
                const __mmask16 beats = _mm512_mask_cmp_ps_mask(there, least, high, _CMP_GT_OQ);
                const __mmask16 close = _mm512_mask_cmp_ps_mask(there, most, low, _CMP_GE_OQ) & ~beats;
                const __mmask16 best = _mm512_mask_cmp_ps_mask(there, most, floor, _CMP_GT_OQ) &
                                       _mm512_mask_cmp_ps_mask(there, most, guess, _CMP_GE_OQ);
                above[s] += __builtin_popcount(beats);
                for (unsigned calls = close | best; calls; calls &= calls - 1, ++found) {
                    if (found >= room) continue;
                    const int place = __builtin_ctz(calls);
                    session[found] = s;
                    candidate[found] = begin + c + place;
                    kinds[found] = (close >> place & 1) | (best >> place & 1) << 1;
                }
            }
        }
    return found;
}

#else

extern "C" int64_t has_whole_numbers() { return 0; }

#endif
