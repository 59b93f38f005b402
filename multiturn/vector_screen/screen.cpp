// Close calls among scores of quantised vectors, and exact scores of pairs; screen.py explains.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../fixed_order.h"
#include "../integer_products.h"
#include "comparison.h"

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

namespace {

// How many candidates beat each session's watched one, and the first `room` close calls; kind 1: with the watched, 2:
// with the best, 3: both. `rechecked` counts the pairs whose score was computed again.
struct Found {
    int64_t *above, *session, *candidate;
    uint8_t* kinds;
    int64_t *rechecked, room;
};

const int64_t SOME = 20 * SESSIONS;  // sessions whose close calls wait for a look
const int AT_ONCE = 4;               // pairs of one candidate

// Integer products of some sessions with the candidates of a tile. By itself, so that compilers keep the sums in
// registers.
template <bool INT8>
__attribute__((noinline)) void multiply(const Queries& x, int64_t s, const Gallery& g, int64_t tile,
                                        Floats products[SESSIONS][HALVES]) {
    const int32_t* own = x.numbers + s * g.steps;
    const Integers* v = (const Integers*)g.numbers + tile * g.steps * HALVES;
    if (!INT8) return add_up_in_parts(own, v, g.steps, products[0]);
#if HAS_VNNI
    Integers sums[SESSIONS][HALVES];
    add_up<add_int8_products>(own, v, g.steps, sums, x.start + s);
#pragma GCC unroll 12
    for (int row = 0; row < SESSIONS; ++row)
#pragma GCC unroll 2
        for (int half = 0; half < HALVES; ++half) products[row][half] = to_floats(sums[row][half]);
#endif
}

// The sums of four registers.
inline void sums_of(const Floats x[4], float* sums) {
#if LANES == 16
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(x[0], x[1]), _mm512_unpackhi_ps(x[0], x[1]));
    const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(x[2], x[3]), _mm512_unpackhi_ps(x[2], x[3]));
    const __m512 four = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd))),
                                      _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd))));
    const __m256 two = _mm256_add_ps(_mm512_castps512_ps256(four), _mm512_extractf32x8_ps(four, 1));
#else
    const __m256 two = _mm256_hadd_ps(_mm256_hadd_ps(x[0], x[1]), _mm256_hadd_ps(x[2], x[3]));
#endif
    _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(two), _mm256_extractf128_ps(two, 1)));
}

// Products of one candidate with some sessions, in float32; VectorScreen.roundings counts the steps of a term.
inline void look(const float* const x[AT_ONCE], const float* v, int64_t dim, float products[AT_ONCE]) {
    Floats sums[AT_ONCE];
    for (Floats& sum : sums) sum = all(0.0f);
    int64_t d = 0;
    for (; d + LANES <= dim; d += LANES) {
        const Floats one = read(v + d);
        for (int i = 0; i < AT_ONCE; ++i) sums[i] = multiply_add(read(x[i] + d), one, sums[i]);
    }
    if (d < dim) {
        const Mask rest = mask_of(lanes_of(dim - d));
        const Floats one = read(v + d, rest);
        for (int i = 0; i < AT_ONCE; ++i) sums[i] = multiply_add(read(x[i] + d, rest), one, sums[i]);
    }
    sums_of(sums, products);
}

// Pairs of a tile whose quantised scores are too close to call; the last column takes what is none.
struct Waiting {
    int32_t session[COLUMNS + 1][SOME + 1], count[COLUMNS + 1];
};

struct Screen {
    const Gallery& g;
    const Queries& x;
    const Found& to;
    std::vector<Session> sessions;
    Waiting waiting;
    int64_t found = 0;

    Screen(const Gallery& gallery, const Queries& queries, const Levels& rough, const Levels& fine, const Found& found)
        : g(gallery), x(queries), to(found) {
        sessions.reserve(x.count);
        for (int64_t s = 0; s < x.count; ++s) sessions.emplace_back(x, rough, fine, s);
    }

    void report(int64_t session, int64_t candidate, bool watched, bool best) {
        if (found < to.room) {
            to.session[found] = session;
            to.candidate[found] = candidate;
            to.kinds[found] = watched | best << 1;
        }
        ++found;
    }

    void report(int64_t session, int64_t first, const Calls& calls) {
        for (uint32_t close = calls.watched | calls.best; close; close &= close - 1) {
            const int place = __builtin_ctz(close);
            report(session, first + place, calls.watched >> place & 1, calls.best >> place & 1);
        }
    }

    // A session's candidates, a bit each; written so that nothing is to be guessed where there are few.
    void wait(uint32_t calls, int32_t session) {
        const auto next = [&] {
            const int place = calls ? __builtin_ctz(calls) : COLUMNS;
            waiting.session[place][waiting.count[place]++] = session;
            calls &= calls - 1;
        };
        for (int i = 0; i < 4; ++i) next();
        while (calls) next();
        waiting.count[COLUMNS] = 0;
    }

    // The vectors of candidates that are to be rechecked: each lies in a page of its own, and takes its time.
    void read_rows_ahead(uint32_t calls, int64_t first) const {
        for (; calls; calls &= calls - 1) {
            const float* row = g.rows + (first + __builtin_ctz(calls)) * g.dim;
            for (int64_t d = 0; d < g.dim; d += 16) __builtin_prefetch(row + d);
        }
    }

    // By products in float32.
    void recheck(int64_t tile, int64_t first) {
        for (int64_t own = 0; own < COLUMNS; ++own) {
            const int64_t candidate = tile + own, count = waiting.count[own];
            if (count == 0) continue;
            const float *row = g.rows + candidate * g.dim, scale = g.row_scale[candidate], bias = g.row_bias[candidate];
            *to.rechecked += count;
            for (int64_t some = 0; some < count; some += AT_ONCE) {
                const int32_t* waits = waiting.session[own] + some;
                const int64_t last = count - some < AT_ONCE ? count - some : AT_ONCE;
                const float* rows[AT_ONCE];
                float products[AT_ONCE];
                for (int i = 0; i < AT_ONCE; ++i) rows[i] = x.rows + (first + waits[i < last ? i : 0]) * g.dim;
                look(rows, row, g.dim, products);
                for (int i = 0; i < last; ++i) {
                    Session& session = sessions[first + waits[i]];
                    const float score = products[i] * scale + bias;
                    const bool beats = score > session.fine.high, best = score > session.fine.floor;
                    const bool watched = !beats & (score >= session.fine.low);
                    session.above += beats;
                    if (watched | best) report(first + waits[i], candidate, watched, best);
                }
            }
        }
    }

    // Of the tile whose first candidate is `column`, a part for each of the groups of sessions.
    void read_tile_ahead(int64_t column, int64_t s) const {
        if (column >= g.candidates) return;
        const int64_t lines = g.steps * HALVES, groups = (x.count + SESSIONS - 1) / SESSIONS, group = s / SESSIONS;
        const Integers* tile = (const Integers*)g.numbers + column / COLUMNS * lines;
        for (int64_t i = lines * group / groups; i < lines * (group + 1) / groups; ++i) __builtin_prefetch(tile + i);
    }

    template <bool INT8>
    void run(int64_t first, int64_t last) {
        const bool rechecks = g.rows;
        for (int64_t column = first * GROUP; column < last * GROUP && column < g.candidates; column += COLUMNS) {
            const Tile tile(g, column);
            for (int64_t some = 0; some < x.count; some += SOME) {
                const int64_t end = some + SOME < x.count ? some + SOME : x.count;
                for (int32_t& count : waiting.count) count = 0;
                for (int64_t s = some; s < end; s += SESSIONS) {
                    read_tile_ahead(column + COLUMNS, s);
                    Floats products[SESSIONS][HALVES];
                    multiply<INT8>(x, s, g, column / COLUMNS, products);
                    for (int64_t row = s; row < s + SESSIONS && row < end; ++row) {
                        const Calls calls = compare(products[row - s], sessions[row], tile);
                        const uint32_t close = calls.watched | calls.best;
                        sessions[row].above += __builtin_popcount(rechecks ? calls.beats & ~close : calls.beats);
                        if (close == 0) continue;
                        if (!rechecks) {
                            report(row, column, calls);
                            continue;
                        }
                        wait(close, row - some);
                        read_rows_ahead(close, column);
                    }
                }
                if (rechecks) recheck(column, some);
            }
        }
        for (int64_t s = 0; s < x.count; ++s) to.above[s] += sessions[s].above;
    }
};

}  // namespace

// Close calls of all sessions among the candidates of groups [first, last), 32 a group; returns how many there are.
//   rough, fine  what quantised scores, and those in float32, are compared with
extern "C" int64_t screen_vectors(const Gallery* gallery, const Queries* queries, const Levels* rough,
                                  const Levels* fine, const Found* to, int64_t first, int64_t last) {
    Screen screen(*gallery, *queries, *rough, *fine, *to);
    gallery->int8 ? screen.run<true>(first, last) : screen.run<false>(first, last);
    return screen.found;
}

#endif
