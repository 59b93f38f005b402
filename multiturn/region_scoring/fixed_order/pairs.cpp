// Scores of pairs in float64 as multiturn.region_scoring.pairs defines them, to the same bits as PyTorch's.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../../fixed_order.h"

namespace {

// multiturn.region_scoring.pairs.exp64.
double exp_of(double x) {
    static const double terms[] = {1.0,           1.0,            1.0 / 2,         1.0 / 6,          1.0 / 24,
                                   1.0 / 120,     1.0 / 720,      1.0 / 5040,      1.0 / 40320,      1.0 / 362880,
                                   1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800, 1.0 / 87178291200};
    const double power = std::nearbyint(x * (1 / 0.693147180559945309417));
    double rest = x - power * 0.693147180369123816490;
    rest = rest - power * 1.90821492927058770002e-10;
    double result = terms[14];
    for (int degree = 13; degree >= 0; --degree) result = result * rest + terms[degree];
    const int64_t bits = ((int64_t)power + 1023) << 52;
    double scale;
    std::memcpy(&scale, &bits, sizeof scale);
    return result * scale;
}

}  // namespace

// The arguments of ../pairs.cpp's score_pairs; `scratch` has room for 2 * dim + slots + 4 * widest + 8 numbers.
extern "C" void score_pairs_in_fixed_order(const float* vectors, const double* norms, const int64_t* counts,
                                           const float* const* columns, const double* const* lengths,
                                           const int64_t* places, const int64_t* session, const int64_t* candidate,
                                           int64_t pairs, int64_t slots, int64_t widest, int64_t dim, double sharpness,
                                           int64_t per_region, double* scratch, double* out) {
    int64_t width = 1;
    while (width < widest) width *= 2;
    double *unit = scratch, *terms = unit + dim, *means = terms + dim + 1;
    double *weighted = means + slots + 1, *weights = weighted + width + 1;
    for (int64_t p = 0; p < pairs; ++p) {
        const int64_t c = candidate[p], regions = counts[c], *place = places + session[p] * slots;
        for (int64_t slot = 0; slot < slots; ++slot) {
            means[slot] = 0;
            if (place[slot] < 0) continue;
            const float* x = columns[place[slot]] + session[p] * dim;
            for (int64_t d = 0; d < dim; ++d) unit[d] = (double)x[d] / lengths[place[slot]][session[p]];
            for (int64_t k = 0; k < width; ++k) weighted[k] = weights[k] = 0;
            for (int64_t k = 0; k < regions; ++k) {
                const float* v = vectors + (c * widest + k) * dim;
                for (int64_t d = 0; d < dim; ++d) terms[d] = unit[d] * (double)v[d];
                const double cosine = sum_in_fixed_order(terms, dim) / norms[c * widest + k];
                weights[k] = exp_of(cosine * sharpness);
                weighted[k] = weights[k] * cosine;
            }
            const double above = sum_in_fixed_order(weighted, width), below = sum_in_fixed_order(weights, width);
            means[slot] = above / below;
            if (per_region) means[slot] = means[slot] / (double)regions;
        }
        out[p] = sum_in_fixed_order(means, slots);
    }
}
