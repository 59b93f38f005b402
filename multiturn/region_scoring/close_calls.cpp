// Close calls among scores that are sums of shares of similarities; closeness.py calls it.

#include <cstdint>

#include "../lanes.h"

#ifdef LANES

namespace {

// Scores that are sums of shares of similarities.
struct Shares {
    const float* const* tables;      // [column] of [session, candidate]: similarities
    const uint16_t* const* reaches;  // likewise: how far they may be wrong, in bfloat16
    const float* shares;             // [column][session]
    // [column][session] what an error is at most, what is to be added to a reach, and what both are then multiplied by
    const float *most, *more, *times;
    int64_t columns, sessions, candidates;
    float additive_error;  // of every score
};

// What scores are compared with, of each session; see multiturn.close_calls.
struct Limits {
    const float *low, *high, *floor;
    int64_t width;
};

const int64_t SCORES = 1 << 13, WIDEST = 64;
const int64_t AHEAD = 1 << 10;  // what is read next lies in other pages of memory, where the processor does not look ahead

// Between which numbers the scores of one session with candidates [first, first + count) lie; count is filled up.
inline void bound(const Shares& of, int64_t s, int64_t first, int64_t count, float* lower, float* upper) {
    for (int64_t c = 0; c < count; c += LANES) {
        const Mask there = mask_of(lanes_of(count - c));
        Floats total = all(0.0f), error = all(of.additive_error);
        for (int64_t m = 0; m < of.columns; ++m) {
            const int64_t at = m * of.sessions + s, cell = s * of.candidates + first + c;
            if (of.shares[at] == 0) continue;
            __builtin_prefetch(of.tables[m] + cell + AHEAD);
            __builtin_prefetch(of.reaches[m] + cell + AHEAD);
            const Floats reach = read_upper_halves(of.reaches[m] + cell, there);
            const Floats own = least(reach + all(of.more[at]), all(of.most[at]));
            total = multiply_add(all(of.shares[at]), read(of.tables[m] + cell, there), total);
            error = multiply_add(all(of.times[at]), own, error);
        }
        const Floats none = all(-__builtin_inff());
        put(lower + c, choose(there, total - error, none));
        put(upper + c, choose(there, total + error, none));
    }
}

// The width-th largest of some numbers, minus infinity if there are fewer; count is filled up by such.
inline float largest(const float* numbers, int64_t count, int64_t width) {
    float best[WIDEST];  // ascending
    for (int64_t i = 0; i < width; ++i) best[i] = -__builtin_inff();
    for (int64_t c = 0; c < count; c += LANES) {
        for (unsigned left = greater(read(numbers + c), all(best[0])); left; left &= left - 1) {
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
            const Floats high = all(limits->high[s]), low = all(limits->low[s]), floor = all(limits->floor[s]);
            const Floats guess = all(largest(lower, count, limits->width));
            for (int64_t c = 0; c < count; c += LANES) {
                const Floats least = read(lower + c), most = read(upper + c);
                const Bits there = lanes_of(count - c), beats = greater(least, high) & there;
                const Bits close = at_least(most, low) & ~beats & there;
                const Bits best = greater(most, floor) & at_least(most, guess) & there;
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
