// Integer products, added up exactly: of some sessions with two registers of candidates.

#pragma once

#include "lanes.h"

#ifdef LANES

namespace {

const int SESSIONS = LANES == 16 ? 12 : 6, HALVES = 2;  // with the candidates and a session, sums fill the registers
const int COLUMNS = HALVES * LANES, GROUP = 32;         // candidates whose products are added up at once; of a group
const int64_t PART = 32;  // pairs of numbers whose products surely fit into 32 bits when added up

// Sums over `steps` pairs, or fours, of numbers, from each session's start.
//   x  [step][session] pairs
//   v  [step][half][lane] pairs
template <void (*ADD)(Integers&, Integers, Integers)>
__attribute__((always_inline)) inline void add_up(const int32_t* x, const Integers* v, int64_t steps,
                                                  Integers sums[SESSIONS][HALVES], const int32_t* start = nullptr) {
#pragma GCC unroll 12
    for (int s = 0; s < SESSIONS; ++s) sums[s][0] = sums[s][1] = all(start ? start[s] : 0);
    for (int64_t j = 0; j < steps; ++j, x += SESSIONS, v += HALVES) {
        const Integers one = read_aligned(v), two = read_aligned(v + 1);
#pragma GCC unroll 12
        for (int s = 0; s < SESSIONS; ++s) {
            const Integers some = all(x[s]);
            ADD(sums[s][0], one, some);
            ADD(sums[s][1], two, some);
        }
    }
}

// Sums of products of int16, each of PART pairs exact, without their scales: [session][half].
__attribute__((always_inline)) inline void add_up_in_parts(const int32_t* x, const Integers* v, int64_t steps, Floats* products) {
    for (int64_t first = 0; first < steps; first += PART, x += PART * SESSIONS, v += PART * HALVES) {
        const int64_t last = first + PART < steps ? first + PART : steps;
        Integers sums[SESSIONS][HALVES];
        add_up<add_int16_products>(x, v, last - first, sums);
#pragma GCC unroll 12
        for (int s = 0; s < SESSIONS; ++s)
#pragma GCC unroll 2
            for (int half = 0; half < HALVES; ++half) {
                Floats& product = products[s * HALVES + half];
                product = first ? product + to_floats(sums[s][half]) : to_floats(sums[s][half]);
            }
    }
}

}  // namespace

#endif
