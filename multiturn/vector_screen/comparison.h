// Both sides of quantised scores, and what these scores say; sides.py explains.

#pragma once

#include <cstdint>

#include "../integer_products.h"

#ifdef LANES

namespace {

// All candidates, filled up to whole groups. A score is an integer product, times the scales of both sides, and
// the product of both biases; it is wrong by the product of both reaches at most.
struct Gallery {
    const void* numbers;                  // [candidate / COLUMNS][step][half][lane] pairs or fours; aligned to 64 bytes
    const float *scale, *bias, *reach;  // [candidate]
    const float* rows;                    // [candidate, dim] the vectors in float32; none: close calls are not rechecked
    const float *row_scale, *row_bias;  // a score again: a product of float32 numbers, times one, and the other added
    int64_t candidates, dim, steps, int8;
};

struct Queries {
    const int32_t* numbers;               // [session / SESSIONS][step][session] pairs or fours; filled up
    const int32_t* start;                 // [session] where sums of fours begin; filled up
    const float *scale, *bias, *reach;  // [session]
    const float* rows;                    // [session, dim] in float32
    int64_t count;
};

// What scores are compared with, of each session; see multiturn.close_calls.
struct Levels {
    const float *low, *high, *floor;
};

// A session's side of the quantised scores, what these and those in float32 are compared with, and how many candidates
// beat its watched one; side by side in memory.
struct Session {
    float scale, bias, reach;
    struct {
        float low, high, floor;
    } rough, fine;
    int64_t above;

    Session(const Queries& x, const Levels& rough, const Levels& fine, int64_t s)
        : scale(x.scale[s]), bias(x.bias[s]), reach(x.reach[s]), rough{rough.low[s], rough.high[s], rough.floor[s]},
          fine{fine.low[s], fine.high[s], fine.floor[s]}, above(0) {}
};

// A tile's candidates: their side of the scores, and a bit each of those that are there.
struct Tile {
    Floats scale[HALVES], bias[HALVES], reach[HALVES];
    uint32_t there = 0;

    Tile(const Gallery& g, int64_t first) {
        for (int half = 0; half < HALVES; ++half) {
            const int64_t column = first + half * LANES, left = g.candidates - column;
            scale[half] = read(g.scale + column);
            bias[half] = read(g.bias + column);
            reach[half] = read(g.reach + column);
            there |= (uint32_t)(left <= 0 ? 0 : lanes_of(left)) << half * LANES;
        }
    }
};

// What a tile's quantised scores with one session say, a bit each: who beats the watched candidate, and whose scores are
// too close to call with the watched one's and with the best.
struct Calls {
    uint32_t beats = 0, watched = 0, best = 0;
};

inline __attribute__((always_inline)) Calls compare(const Floats products[HALVES], const Session& session, const Tile& tile) {
    Calls calls;
#pragma GCC unroll 2
    for (int half = 0; half < HALVES; ++half) {
        // First by the session's scale: a product of both scales may be too small for float32.
        const Floats bias = all(session.bias) * tile.bias[half];
        const Floats score = multiply_add(products[half] * all(session.scale), tile.scale[half], bias);
        const Floats lowest = subtract_product(score, all(session.reach), tile.reach[half]);
        const Floats highest = multiply_add(all(session.reach), tile.reach[half], score);
        calls.beats |= (uint32_t)greater(lowest, all(session.rough.high)) << half * LANES;
        calls.watched |= (uint32_t)at_least(highest, all(session.rough.low)) << half * LANES;
        calls.best |= (uint32_t)greater(highest, all(session.rough.floor)) << half * LANES;
    }
    calls.beats &= tile.there;
    calls.watched &= tile.there & ~calls.beats;
    calls.best &= tile.there;
    return calls;
}

}  // namespace

#endif
