// Sums in the order of multiturn.scoring.sum_in_fixed_order, to the same bits; compile with -ffp-contract=off.

#pragma once

#include <cstdint>

// Adds up `count` terms, one at least, in halves; there must be room for one more, and they are used up.
static inline double sum_in_fixed_order(double* terms, int64_t count) {
    while (count > 1) {
        if (count % 2) terms[count++] = 0;
        count /= 2;
#pragma GCC ivdep
        for (int64_t i = 0; i < count; ++i) terms[i] += terms[count + i];
    }
    return terms[0];
}
