// Fused scoring of state vectors against regions; kernel.py compiles, loads and explains it.

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AMX_BF16__) && defined(__AMX_TILE__) && defined(__AVX512F__) && defined(__linux__)
#define TILES 1
#include <sys/syscall.h>
#include <unistd.h>
#else
#define TILES 0
#endif

namespace {

typedef float Floats __attribute__((vector_size(32), aligned(4)));
typedef double Doubles __attribute__((vector_size(64), aligned(8)));
typedef int64_t Integers __attribute__((vector_size(64), aligned(8)));

inline Doubles widened(const float* x) {
#if defined(__AVX512F__)
    return (Doubles)_mm512_cvtps_pd(_mm256_loadu_ps(x));  // compilers convert the halves and put them together
#else
    return __builtin_convertvector(*(const Floats*)x, Doubles);
#endif
}

inline double sum_of(Doubles x) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_pd((__m512d)x);
#else
    return ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7]));
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
    return result * (Doubles)(((Integers)moved << 52) + 0x3ff0000000000000);  // the integer, as an exponent
}

// Products of some state vectors with the regions of one image; two regions at once halve the reads of the former.
template <int SLOTS>
void products_of(const float* vectors, const double* const* units, int64_t dim, int64_t regions, int64_t stride,
                 const float* coming, double* products) {
    for (int64_t k = 0; k < regions; k += 2) {
        for (int64_t d = 0; d < 2 * dim; d += 16) __builtin_prefetch(coming + k * dim + d, 0, 1);  // into the second cache
        const int64_t next = k + 1 < regions ? 1 : 0;
        const float *v = vectors + k * dim, *w = v + next * dim;
        Doubles one[SLOTS] = {}, two[SLOTS] = {};
        int64_t d = 0;
        for (; d + 8 <= dim; d += 8) {
            const Doubles a = widened(v + d);
            const Doubles b = widened(w + d);
            for (int m = 0; m < SLOTS; ++m) {
                const Doubles x = *(const Doubles*)(units[m] + d);
                one[m] += x * a;
                two[m] += x * b;
            }
        }
        for (int m = 0; m < SLOTS; ++m) {
            double first = sum_of(one[m]), second = sum_of(two[m]);
            for (int64_t e = d; e < dim; ++e) {
                first += units[m][e] * v[e];
                second += units[m][e] * w[e];
            }
            products[m * stride + k] = first;
            products[m * stride + k + next] = second;
        }
    }
}

double attended(const double* products, const double* norms, int64_t regions, double sharpness) {
    Doubles total = {}, mean = {};
    int64_t k = 0;
    for (; k + 8 <= regions; k += 8) {
        const Doubles s = *(const Doubles*)(products + k) / *(const Doubles*)(norms + k), weights = exp_of(s * sharpness);
        total += weights;
        mean += weights * s;
    }
    if (k < regions) {
        double rest[8] = {}, there[8] = {};
        for (int64_t i = 0; k + i < regions; ++i) rest[i] = products[k + i] / norms[k + i], there[i] = 1;
        const Doubles s = *(const Doubles*)rest, weights = exp_of(s * sharpness) * *(const Doubles*)there;
        total += weights;
        mean += weights * s;
    }
    return sum_of(mean) / sum_of(total);
}

}  // namespace

// Sum over filled slots of the similarity of each pair of a session and a candidate, in float64.
//   columns the state vectors of all sessions, one table a column
//   places  [session, slot] the column of each slot, or -1
//   scratch 5 * widest numbers
extern "C" void score_pairs(const float* vectors, const double* norms, const int64_t* counts,
                            const double* const* columns, const int64_t* places, const int64_t* session,
                            const int64_t* candidate, int64_t pairs, int64_t slots, int64_t widest, int64_t dim,
                            double sharpness, int64_t per_region, double* scratch, double* out) {
    for (int64_t p = 0; p < pairs; ++p) {
        const int64_t c = candidate[p], regions = counts[c], *place = places + session[p] * slots;
        const float* v = vectors + c * widest * dim;
        const float* coming = p + 1 < pairs ? vectors + candidate[p + 1] * widest * dim : v;
        const double* n = norms + c * widest;
        double total = 0;
        for (int64_t slot = 0; slot < slots;) {
            const double* x[5];
            int64_t some = 0;
            for (; slot < slots && some < 5; ++slot)
                if (place[slot] >= 0) x[some++] = columns[place[slot]] + session[p] * dim;
            switch (some) {
                case 0: break;
                case 1: products_of<1>(v, x, dim, regions, widest, coming, scratch); break;
                case 2: products_of<2>(v, x, dim, regions, widest, coming, scratch); break;
                case 3: products_of<3>(v, x, dim, regions, widest, coming, scratch); break;
                case 4: products_of<4>(v, x, dim, regions, widest, coming, scratch); break;
                default: products_of<5>(v, x, dim, regions, widest, coming, scratch);
            }
            for (int64_t m = 0; m < some; ++m)
                total += attended(scratch + m * widest, n, regions, sharpness);
        }
        out[p] = per_region ? total / regions : total;
    }
}

#if TILES

namespace {

struct __attribute__((packed)) TileShapes {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// 2^(scale * x), |scale * x| < 60: the Taylor polynomial of degree 7 on [-1/2, 1/2] is within 6e-9.
inline __m512 exp_of(__m512 x, __m512 scale) {
    const __m512 t = _mm512_mul_ps(x, scale);
    const __m512 power = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 r = _mm512_sub_ps(t, power);
    __m512 p = _mm512_set1_ps(1.52527338e-5f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.54035304e-4f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.33335581e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.61812911e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.55041087e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.40226507e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.93147181e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, power);
}

const int64_t TILE = 512;  // bfloat16 numbers of one tile, 1 kB

struct Sums {
    float weight[32 * 32], mean[32 * 32], square[32 * 32];
};

// Add the cosines of one region, in vectors [first, last) of 16, to the sums.
inline void add_region(const float* cosines, const uint16_t* real, __m512 scale, int64_t first, int64_t last,
                       Sums* sums) {
    for (int64_t i = first; i < last; ++i) {
        const __m512 s = _mm512_load_ps(cosines + i * 16);
        const __m512 w = _mm512_maskz_mov_ps(real[i & 1], exp_of(s, scale));
        const __m512 ws = _mm512_mul_ps(w, s);
        float *weight = sums->weight + i * 16, *mean = sums->mean + i * 16, *square = sums->square + i * 16;
        _mm512_store_ps(weight, _mm512_add_ps(_mm512_load_ps(weight), w));
        _mm512_store_ps(mean, _mm512_add_ps(_mm512_load_ps(mean), ws));
        _mm512_store_ps(square, _mm512_fmadd_ps(ws, s, _mm512_load_ps(square)));
    }
}

// Cosines of 32 sessions and 32 candidates for one region, in four tiles. The tiles' unit works by itself; while it
// does, the cosines of the region before are added to the sums.
inline void multiply(const uint16_t* x, const uint16_t* v, int64_t steps, float* cosines, const float* before,
                     const uint16_t* real, __m512 scale, Sums* sums) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t j = 0; j < steps; ++j, x += 4 * TILE, v += 4 * TILE) {
        _tile_stream_loadd(6, v, 64);
        _tile_stream_loadd(7, v + TILE, 64);
        _tile_loadd(4, x + 2 * TILE, 64);
        _tile_loadd(5, x + 3 * TILE, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        _tile_loadd(4, x, 64);
        _tile_loadd(5, x + TILE, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        _tile_stream_loadd(6, v + 2 * TILE, 64);
        _tile_stream_loadd(7, v + 3 * TILE, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        if (before) add_region(before, real, scale, 64 * j / steps, 64 * (j + 1) / steps, sums);
    }
    _tile_stored(0, cosines, 128);
    _tile_stored(1, cosines + 16, 128);
    _tile_stored(2, cosines + 16 * 32, 128);
    _tile_stored(3, cosines + 16 * 32 + 16, 128);
}

}  // namespace

// 1 if the system lets this process use tiles.
extern "C" int64_t has_tiles() { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }

// Similarities of all sessions with the candidates of groups [first, last), 32 a group.
//   units   [session / 32][step][high, low][half][16 sessions][32 numbers]
//   vectors [candidate / 32][region][step][high, low][half][16 pairs of numbers][16 candidates][2]
//   real    [candidate / 32][region][2] bits of 16 candidates
//   table   [session, candidate] of `columns` a row; squares [session], the largest mean square so far
extern "C" void score_column(const uint16_t* units, const uint16_t* vectors, const uint16_t* real, int64_t sessions,
                             int64_t candidates, int64_t regions, int64_t steps, float sharpness, int64_t first,
                             int64_t last, float* table, float* squares) {
    static thread_local float cosines[2][1024] __attribute__((aligned(64)));
    static thread_local Sums sums __attribute__((aligned(64)));
    const TileShapes shapes;
    _tile_loadconfig(&shapes);
    const __m512 scale = _mm512_set1_ps(sharpness * 1.44269504f);
    const int64_t part = 4 * steps * TILE;
    for (int64_t group = first; group < last; ++group) {
        const uint16_t* v = vectors + group * regions * part;
        const uint16_t* masks = real + group * regions * 2;
        int64_t used = regions;
        while (used > 1 && !masks[used * 2 - 2] && !masks[used * 2 - 1]) --used;
        for (int64_t s = 0; s < sessions; s += 32) {
            const uint16_t* x = units + s / 32 * part;
            std::memset(&sums, 0, sizeof sums);
            for (int64_t k = 0; k < used; ++k)
                multiply(x, v + k * part, steps, cosines[k & 1], k ? cosines[(k - 1) & 1] : nullptr,
                         masks + (k - 1) * 2, scale, &sums);
            add_region(cosines[(used - 1) & 1], masks + (used - 1) * 2, scale, 0, 64, &sums);
            for (int64_t row = 0; row < 32 && s + row < sessions; ++row)
                for (int64_t half = 0; half < 2; ++half) {
                    const int64_t column = group * 32 + half * 16, left = candidates - column;
                    if (left <= 0) continue;
                    const __mmask16 there = left < 16 ? (1 << left) - 1 : 0xffff;
                    const int64_t at = row * 32 + half * 16;
                    const __m512 one = _mm512_set1_ps(1.0f), weight = _mm512_loadu_ps(sums.weight + at);
                    const __m512 total = _mm512_mask_mov_ps(one, there, weight);
                    const __m512 mean = _mm512_div_ps(_mm512_loadu_ps(sums.mean + at), total);
                    const __m512 square = _mm512_div_ps(_mm512_loadu_ps(sums.square + at), total);
                    _mm512_mask_storeu_ps(table + (s + row) * candidates + column, there, mean);
                    const float most = _mm512_mask_reduce_max_ps(there, square);
                    if (most > squares[s + row]) squares[s + row] = most;
                }
        }
    }
    _tile_release();
}

#else

extern "C" int64_t has_tiles() { return 0; }

#endif
