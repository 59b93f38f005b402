// Scores of single pairs of a session and an image, in float64; kernel.py calls it.

#include "../lanes.h"

namespace {

#if LANES == 16
const int64_t WIDTH = 8, VECTORS = 5;  // numbers of a register, and vectors whose sums with regions fill the registers
#else
const int64_t WIDTH = 4, VECTORS = 2;
#endif

typedef float Narrow __attribute__((vector_size(WIDTH * 4), aligned(4)));
typedef double Doubles __attribute__((vector_size(WIDTH * 8), aligned(8)));
typedef int64_t Longs __attribute__((vector_size(WIDTH * 8), aligned(8)));

const int64_t REGIONS = 4;               // at once
const int64_t BLOCK = 3 * REGIONS;       // regions in float64 that stay in the nearest cache, beside the vectors
const int64_t FEW = 5;                   // state vectors of one image for which its regions are not worth converting
const int64_t MOST = 80;                 // that are kept in mind

inline Doubles widened(const float* x) {
#if LANES == 16
    return (Doubles)_mm512_cvtps_pd(_mm256_loadu_ps(x));  // compilers convert the halves and put them together
#else
    return __builtin_convertvector(*(const Narrow*)x, Doubles);
#endif
}

inline Doubles widened(const double* x) { return *(const Doubles*)x; }

// Leaves a number in its register: compilers read it from memory anew for each product.
inline void keep(Doubles& x) {
#ifdef LANES
    asm("" : "+v"(x));
#endif
}

inline double sum_of(Doubles x) {
#if LANES == 16
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
#else
    return (x[0] + x[2]) + (x[1] + x[3]);
#endif
}

// The sums of four vectors.
inline void sums_of(const Doubles* x, double* sums) {
#if LANES == 16
    const __m512d a = (__m512d)x[0], b = (__m512d)x[1], c = (__m512d)x[2], d = (__m512d)x[3];
    const __m512d ab = _mm512_add_pd(_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
    const __m512d cd = _mm512_add_pd(_mm512_unpacklo_pd(c, d), _mm512_unpackhi_pd(c, d));
    const __m256d e = _mm256_add_pd(_mm512_castpd512_pd256(ab), _mm512_extractf64x4_pd(ab, 1));
    const __m256d f = _mm256_add_pd(_mm512_castpd512_pd256(cd), _mm512_extractf64x4_pd(cd, 1));
    _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_permute2f128_pd(e, f, 0x20), _mm256_permute2f128_pd(e, f, 0x31)));
#elif LANES == 8
    const __m256d ab = _mm256_hadd_pd((__m256d)x[0], (__m256d)x[1]), cd = _mm256_hadd_pd((__m256d)x[2], (__m256d)x[3]);
    _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_permute2f128_pd(ab, cd, 0x21), _mm256_blend_pd(ab, cd, 0xc)));
#else
    for (int i = 0; i < 4; ++i) sums[i] = sum_of(x[i]);
#endif
}

// exp(x) of |x| < 700, to some 1e-15.
inline Doubles exp_of(Doubles x) {
    const double shift = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer, in the last bits
    const Doubles moved = x * 1.4426950408889634 + shift;
    const Doubles power = moved - shift;
    const Doubles rest = (x - power * 0.693147180369123816490) - power * 1.90821492927058770002e-10;
    Doubles result = {};
    result += 1.0 / 6227020800.0;  // Taylor's polynomial of degree 13
    const double terms[] = {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
                            1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      0.5,         1.0, 1.0};
    for (double term : terms)
        result = result * rest + term;
    return result * (Doubles)(((Longs)moved << 52) + 0x3ff0000000000000);  // the integer, as an exponent
}

// What is read soon, line by line beside products: all at once, it would keep them from their own memory.
struct Ahead {
    const float *next, *end;

    void read_line() {
        if (next >= end) return;
        __builtin_prefetch(next, 0, 1);  // into the second cache
        next += 16;
    }
};

// Products of SOME state vectors with some regions, which are the first of `products`' rows.
template <int SOME, class Number>
void products_of(const Number* vectors, const float* const* states, int64_t dim, int64_t regions, int64_t stride,
                 double* products, Ahead& ahead) {
    for (int64_t k = 0; k < regions; k += REGIONS) {
        const Number* v[REGIONS];
        for (int64_t i = 0; i < REGIONS; ++i) v[i] = vectors + (k + i < regions ? k + i : k) * dim;
        Doubles sums[SOME][REGIONS] = {};
        int64_t d = 0;
        for (; d + WIDTH <= dim; d += WIDTH) {
            ahead.read_line();
            Doubles some[REGIONS] = {widened(v[0] + d), widened(v[1] + d), widened(v[2] + d), widened(v[3] + d)};
            for (Doubles& one : some) keep(one);
#pragma GCC unroll 5
            for (int m = 0; m < SOME; ++m) {
                Doubles x = widened(states[m] + d);
                keep(x);
#pragma GCC unroll 4
                for (int i = 0; i < REGIONS; ++i) sums[m][i] += x * some[i];
            }
        }
#pragma GCC unroll 5
        for (int m = 0; m < SOME; ++m) sums_of(sums[m], products + m * stride + k);
        for (; d < dim; ++d)
            for (int m = 0; m < SOME; ++m)
                for (int64_t i = 0; i < REGIONS; ++i) products[m * stride + k + i] += (double)states[m][d] * (double)v[i][d];
    }
}

template <int SOME, class Number>
void products_of_rest(const Number* vectors, const float* const* states, int64_t count, int64_t dim, int64_t regions,
                      int64_t stride, double* products, Ahead& ahead) {
    if (count == SOME) return products_of<SOME>(vectors, states, dim, regions, stride, products, ahead);
    if constexpr (SOME > 1) products_of_rest<SOME - 1>(vectors, states, count, dim, regions, stride, products, ahead);
}

template <class Number>
void products_of(const Number* vectors, const float* const* states, int64_t count, int64_t dim, int64_t regions,
                 int64_t stride, double* products, Ahead& ahead) {
    for (; count >= VECTORS; count -= VECTORS, states += VECTORS, products += VECTORS * stride)
        products_of<VECTORS>(vectors, states, dim, regions, stride, products, ahead);
    if (count > 0) products_of_rest<VECTORS - 1>(vectors, states, count, dim, regions, stride, products, ahead);
}

// The mean of cosines, weighted by the softmax over the regions that are there; all are filled up to vectors.
double attended(const double* products, double inverse_length, const double* inverse_norms, const double* there,
                int64_t filled, double sharpness) {
    Doubles total = {}, mean = {};
    for (int64_t k = 0; k < filled; k += WIDTH) {
        const Doubles s = *(const Doubles*)(products + k) * *(const Doubles*)(inverse_norms + k) * inverse_length;
        const Doubles weights = exp_of(s * sharpness) * *(const Doubles*)(there + k);
        total += weights;
        mean += weights * s;
    }
    return sum_of(mean) / sum_of(total);
}

// State vectors whose similarities to one image are wanted, and the pairs that they are part of.
struct Wanted {
    const float* vectors[MOST];
    double inverse_length[MOST];
    int64_t pair[MOST], count = 0;
};

}  // namespace

// Sum over filled slots of the similarity of each pair of a session and a candidate, in float64. Pairs of one candidate
// are fastest beside each other.
//   columns the state vectors of all sessions, one table a column, and their lengths
//   places  [session, slot] the column of each slot, or -1
//   scratch 12 * dim + 82 * (widest + 8) numbers
extern "C" void score_pairs(const float* vectors, const double* norms, const int64_t* counts,
                            const float* const* columns, const double* const* lengths, const int64_t* places,
                            const int64_t* session, const int64_t* candidate, int64_t pairs, int64_t slots,
                            int64_t widest, int64_t dim, double sharpness, int64_t per_region, double* scratch,
                            double* out) {
    const int64_t filled = (widest + 7) / 8 * 8;
    double *inverse_norms = scratch, *there = inverse_norms + filled, *products = there + filled;
    double* converted = products + MOST * filled;
    for (int64_t i = 0; i < MOST * filled; ++i) products[i] = 0;
    for (int64_t p = 0; p < pairs;) {
        const int64_t c = candidate[p], regions = counts[c], first = p;
        while (p < pairs && candidate[p] == c) ++p;
        const float *v = vectors + c * widest * dim, *coming = p < pairs ? vectors + candidate[p] * widest * dim : v;
        for (int64_t k = 0; k < filled; ++k) {
            there[k] = k < regions;
            inverse_norms[k] = k < regions ? 1 / norms[c * widest + k] : 0;
        }
        Ahead ahead = {coming, coming + widest * dim};
        Wanted wanted;
        const auto score = [&] {
            for (int64_t k = 0; k < regions; k += BLOCK) {
                const int64_t some = regions - k < BLOCK ? regions - k : BLOCK;
                if (wanted.count <= FEW) {
                    products_of(v + k * dim, wanted.vectors, wanted.count, dim, some, filled, products + k, ahead);
                    continue;
                }
                for (int64_t i = 0; i < some * dim; ++i) converted[i] = v[k * dim + i];
                products_of(converted, wanted.vectors, wanted.count, dim, some, filled, products + k, ahead);
            }
            for (int64_t i = 0; i < wanted.count; ++i)
                out[wanted.pair[i]] += attended(products + i * filled, wanted.inverse_length[i], inverse_norms, there,
                                                filled, sharpness);
            wanted.count = 0;
        };
        for (int64_t i = first; i < p; ++i) {
            out[i] = 0;
            for (int64_t slot = 0; slot < slots; ++slot) {
                const int64_t place = places[session[i] * slots + slot];
                if (place < 0) continue;
                wanted.vectors[wanted.count] = columns[place] + session[i] * dim;
                wanted.inverse_length[wanted.count] = 1 / lengths[place][session[i]];
                wanted.pair[wanted.count++] = i;
                if (wanted.count == MOST) score();
            }
        }
        score();
        for (int64_t i = first; per_region && i < p; ++i) out[i] /= regions;
    }
}
