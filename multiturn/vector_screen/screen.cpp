// Close calls among vectors' scores, by products of 16-bit whole numbers, and exact scores of pairs; screen.py explains.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../fixed_order.h"
#include "../whole_numbers.h"

// Scores of pairs in float64, to the bits of multiturn.scoring.VectorScores.exact.
//   kind  0: -|q - g|^2, 1: q.g
extern "C" void score_vector_pairs(const float* queries, const float* vectors, const int64_t* session,
                                   const int64_t* candidate, int64_t pairs, int64_t dim, int64_t kind, double* out) {
    std::vector<double> terms(dim + 1);
    for (int64_t pair = 0; pair < pairs; ++pair) {
        const float *q = queries + session[pair] * dim, *g = vectors + candidate[pair] * dim;
        if (pair + 4 < pairs) __builtin_prefetch(vectors + candidate[pair + 4] * dim);
        if (kind == 0)
            for (int64_t i = 0; i < dim; ++i) {
                const double apart = (double)q[i] - (double)g[i];
                terms[i] = apart * apart;
            }
        else
            for (int64_t i = 0; i < dim; ++i) terms[i] = (double)q[i] * (double)g[i];
        const double sum = sum_in_fixed_order(terms.data(), dim);
        out[pair] = kind == 0 ? -sum : sum;
    }
}

#if HAS_WHOLE_NUMBERS

namespace {

const int64_t PART = 32;  // pairs of numbers whose products surely fit into 32 bits when added up

// Products of 12 sessions and 32 candidates, without their scales.
inline void multiply(const int32_t* x, const __m512i* v, int64_t steps, __m512 products[SESSIONS][HALVES]) {
    for (int64_t first = 0; first < steps; first += PART, x += PART * SESSIONS, v += PART * HALVES) {
        const int64_t last = first + PART < steps ? first + PART : steps;
        __m512i sums[SESSIONS][HALVES];
        add_up<add_products>(x, v, last - first, sums);
#pragma GCC unroll 12
        for (int s = 0; s < SESSIONS; ++s)
#pragma GCC unroll 2
            for (int half = 0; half < HALVES; ++half) {
                const __m512 part = _mm512_cvtepi32_ps(sums[s][half]);
                products[s][half] = first ? _mm512_add_ps(products[s][half], part) : part;
            }
    }
}

}  // namespace

// 1 if the processor multiplies 16-bit whole numbers in pairs.
extern "C" int64_t has_vector_screen() { return 1; }

// Close calls of all sessions among the candidates of groups [first, last), 32 a group; returns how many there are.
//   units      [session / 12][step][12 sessions] pairs of numbers; filled up to a multiple of 12
//   vectors    [candidate / 32][step][half][16 candidates][2], aligned to 64 bytes
//   by_session, by_candidate  what to multiply a product with; beside is added then; [candidate] filled up to 32
//   low, high  [session] a score above `high` surely beats the watched one; from `low` on it is a close call
//   floor      [session] a score above it may be among the best
//   above      [session] how many beat the watched one
//   session, candidate, kinds  of the first `room` close calls; kind 1: with the watched, 2: with the best, 3: both
extern "C" int64_t screen_vectors(const int32_t* units, const float* by_session, const int16_t* vectors,
                                  const float* by_candidate, const float* beside, int64_t sessions, int64_t candidates,
                                  int64_t steps, const float* low, const float* high, const float* floor, int64_t first,
                                  int64_t last, int64_t room, int64_t* above, int64_t* session, int64_t* candidate,
                                  uint8_t* kinds) {
    int64_t found = 0;
    for (int64_t group = first; group < last; ++group) {
        const __m512i* v = (const __m512i*)vectors + group * steps * HALVES;
        const int64_t left = candidates - group * 32;
        const uint32_t real = left < 32 ? (1u << left) - 1 : ~0u;
        for (int64_t s = 0; s < sessions; s += SESSIONS) {
            __m512 products[SESSIONS][HALVES];
            multiply(units + s * steps, v, steps, products);
            for (int64_t row = s; row < s + SESSIONS && row < sessions; ++row)
                for (int half = 0; half < HALVES; ++half) {
                    const int64_t column = group * 32 + half * 16;
                    const __mmask16 there = real >> (16 * half);
                    // First by the session's scale: a product of both scales may be too small for float32.
                    const __m512 scaled = _mm512_mul_ps(products[row - s][half], _mm512_set1_ps(by_session[row]));
                    const __m512 score = _mm512_fmadd_ps(scaled, _mm512_loadu_ps(by_candidate + column),
                                                         _mm512_loadu_ps(beside + column));
                    const __mmask16 beats = _mm512_mask_cmp_ps_mask(there, score, _mm512_set1_ps(high[row]), _CMP_GT_OQ);
                    const __mmask16 from = _mm512_mask_cmp_ps_mask(there, score, _mm512_set1_ps(low[row]), _CMP_GE_OQ);
                    const __mmask16 best = _mm512_mask_cmp_ps_mask(there, score, _mm512_set1_ps(floor[row]), _CMP_GT_OQ);
                    const __mmask16 close = from & ~beats;
                    above[row] += __builtin_popcount(beats);
                    for (unsigned calls = close | best; calls; calls &= calls - 1, ++found) {
                        if (found >= room) continue;
                        const int place = __builtin_ctz(calls);
                        session[found] = row;
                        candidate[found] = column + place;
                        kinds[found] = (close >> place & 1) | (best >> place & 1) << 1;
                    }
                }
        }
    }
    return found;
}

#else

extern "C" int64_t has_vector_screen() { return 0; }

#endif
