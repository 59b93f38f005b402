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

#ifdef LANES

// Numbers that a register holds.
extern "C" int64_t lanes() { return LANES; }

// Close calls of all sessions among the candidates of groups [first, last), 32 a group; returns how many there are.
//   units      [session / SESSIONS][step][session] pairs of numbers; the last sessions are filled up
//   vectors    [candidate / COLUMNS][step][half][lane] pairs, aligned to 64 bytes
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
    for (int64_t column = first * GROUP; column < last * GROUP && column < candidates; column += COLUMNS) {
        const Integers* v = (const Integers*)vectors + column / COLUMNS * steps * HALVES;
        for (int64_t s = 0; s < sessions; s += SESSIONS) {
            Floats products[SESSIONS][HALVES];
            add_up_in_parts(units + s * steps, v, steps, products[0]);
            for (int64_t row = s; row < s + SESSIONS && row < sessions; ++row)
                for (int half = 0; half < HALVES; ++half) {
                    const int64_t own = column + half * LANES, left = candidates - own;
                    const Bits there = left <= 0 ? 0 : lanes_of(left);
                    // First by the session's scale: a product of both scales may be too small for float32.
                    const Floats scaled = products[row - s][half] * all(by_session[row]);
                    const Floats score = multiply_add(scaled, read(by_candidate + own), read(beside + own));
                    const Bits beats = greater(score, all(high[row])) & there;
                    const Bits close = at_least(score, all(low[row])) & ~beats & there;
                    const Bits best = greater(score, all(floor[row])) & there;
                    above[row] += __builtin_popcount(beats);
                    for (unsigned calls = close | best; calls; calls &= calls - 1, ++found) {
                        if (found >= room) continue;
                        const int place = __builtin_ctz(calls);
                        session[found] = row;
                        candidate[found] = own + place;
                        kinds[found] = (close >> place & 1) | (best >> place & 1) << 1;
                    }
                }
        }
    }
    return found;
}

#else

extern "C" int64_t lanes() { return 0; }

#endif
