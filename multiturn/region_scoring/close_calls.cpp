// Close calls among scores that are sums of shares of similarities; closeness.py calls it.

#include <cstdint>

#include "../whole_numbers.h"

#if HAS_WHOLE_NUMBERS

namespace {

// Scores that are sums of shares of similarities.
struct Shares {
    const float* const* tables;      // [column] of [session, candidate]: similarities
    const uint16_t* const* reaches;  // likewise: how far they may be wrong, in bfloat16
    const float* shares;             // [column][session]
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
            const __m512i bits = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, of.reaches[m] + cell));
            const __m512 reach = _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
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

#endif
