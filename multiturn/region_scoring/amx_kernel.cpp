// Fused scoring of quantised state vectors against quantised regions by matrix registers (Intel AMX).

#include "sums.h"

#if HAS_VNNI && defined(__AMX_INT8__) && defined(__AMX_TILE__) && defined(__linux__)

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace {

const int64_t AT_ONCE = 32, TILE = 1024;  // sessions; bytes of a tile: 16 sessions, or fours, of 64 numbers

struct __attribute__((packed)) TileShapes {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Sums of products of 32 sessions with 16 candidates for one region: of high bytes, of high with low ones, of int8.
struct Products {
    int32_t high[AT_ONCE * 16], mixed[AT_ONCE * 16], int8[AT_ONCE * 16];
};

// A region whose products are known, to be added to the sums of 32 sessions and 16 candidates, bit by bit.
template <bool INT8>
struct Known {
    const Products* products;
    const float *int16_scale, *int8_scale;  // [16 candidates]
    uint16_t real;
    const float *x_int16, *x_int8;  // [32 sessions] scales
    Sums* sums;
    int64_t done = 0;

    // Adds up for some more sessions.
    template <int SOME>
    __attribute__((always_inline)) void add() {
#pragma GCC unroll 8
        for (int i = 0; i < SOME; ++i) add_one();
    }

    void add_rest() {
        while (done < AT_ONCE) add_one();
    }

    __attribute__((always_inline)) void add_one() {
        // Over 256; below 2^31, as layouts.py says how long rows are.
        const __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(_mm512_load_si512(products->high + done * 16), 8),
                                             _mm512_load_si512(products->mixed + done * 16));
        const __m512 x = _mm512_set1_ps(x_int16[done] * 256);
        __m512 t = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(x, _mm512_loadu_ps(int16_scale)));
        if (INT8)
            t = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(products->int8 + done * 16)),
                                _mm512_mul_ps(_mm512_set1_ps(x_int8[done]), _mm512_loadu_ps(int8_scale)), t);
        add_region(t, real, sums[done]);
        ++done;
    }
};

// Adds the products of both halves of the sessions with one tile of a region; the three then lie in registers 4 to 6.
template <int SOME, bool INT8>
__attribute__((always_inline)) inline void multiply_first(const int8_t* x, const int8_t* v, Known<INT8>& before) {
    _tile_loadd(6, v, 64);
    _tile_loadd(4, x, 64);
    _tile_dpbssd(0, 4, 6);
    before.template add<(SOME + 0) / 3>();
    _tile_loadd(5, x + TILE, 64);
    _tile_dpbssd(1, 5, 6);
    before.template add<(SOME + 1) / 3>();
}

// Products for one region. After each three products of tiles come the sums of SOME sessions for the region before:
// another unit does the products, but only if few instructions wait for it, and none for a branch to be known. So all
// these numbers are constants.
template <int SOME, bool INT8>
inline void multiply_int16(const int8_t* x, const int8_t* v, int64_t steps, Known<INT8>& before, Products& products) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t j = 0; j < steps; ++j, x += 4 * TILE, v += 2 * TILE) {
        multiply_first<SOME>(x, v, before);
        _tile_loadd(7, v + TILE, 64);
        _tile_dpbssd(2, 4, 7);
        before.template add<(SOME + 2) / 3>();
        _tile_loadd(4, x + 2 * TILE, 64);
        _tile_dpbssd(3, 5, 7);
        before.template add<(SOME + 0) / 3>();
        _tile_loadd(5, x + 3 * TILE, 64);
        _tile_dpbssd(2, 4, 6);
        before.template add<(SOME + 1) / 3>();
        _tile_dpbssd(3, 5, 6);
        before.template add<(SOME + 2) / 3>();
    }
    _tile_stored(0, products.high, 64);
    _tile_stored(1, products.high + 256, 64);
    _tile_stored(2, products.mixed, 64);
    _tile_stored(3, products.mixed + 256, 64);
}

template <int SOME, bool INT8>
inline void multiply_int8(const int8_t* x, const int8_t* v, int64_t steps, Known<INT8>& before, Products& products) {
    _tile_zero(0);
    _tile_zero(1);
    for (int64_t j = 0; j < steps; ++j, x += 2 * TILE, v += TILE) multiply_first<SOME>(x, v, before);
    _tile_stored(0, products.int8, 64);
    _tile_stored(1, products.int8 + 256, 64);
}

// Similarities of 32 sessions, from s on, with 16 candidates.
template <int SOME, bool INT8>
void score(const States& x, int64_t s, const Regions& v, int64_t group, int64_t half, const Formula& f, const Found& found) {
    static thread_local Products products[2] __attribute__((aligned(64)));
    static thread_local Sums sums[AT_ONCE];
    std::memset(sums, 0, sizeof sums);
    const int64_t used = used_regions(v, group), row = (group * 2 + half) * v.regions;
    const int8_t* x_int16 = (const int8_t*)x.int16 + s / AT_ONCE * v.int16_steps * 4 * TILE;
    const int8_t* x_int8 = (const int8_t*)x.int8 + s / AT_ONCE * v.int8_steps * 2 * TILE;
    const auto known = [&](int64_t k) {
        const int64_t at = group * v.regions + k, column = at * 32 + half * 16;
        return Known<INT8>{&products[k & 1],      v.int16_scale + column, v.int8_scale + column,
                           v.real[at * 2 + half], x.int16_scale + s,      x.int8_scale + s,
                           sums};
    };
    Known<INT8> before = known(0);
    before.real = 0;  // nothing yet
    for (int64_t k = 0; k < used; ++k) {
        const int8_t* int16 = (const int8_t*)v.int16 + (row + k) * v.int16_steps * 2 * TILE;
        multiply_int16<SOME>(x_int16, int16, v.int16_steps, before, products[k & 1]);
        const int8_t* int8 = (const int8_t*)v.int8 + (row + k) * v.int8_steps * TILE;
        if (INT8) multiply_int8<SOME>(x_int8, int8, v.int8_steps, before, products[k & 1]);
        before.add_rest();
        before = known(k);
    }
    before.add_rest();
    for (int64_t i = 0; i < AT_ONCE && s + i < x.count; ++i)
        write(sums[i], x, s + i, v, group * 32 + half * 16, f, found);
}

typedef void Score(const States&, int64_t, const Regions&, int64_t, int64_t, const Formula&, const Found&);

// That which adds up, after each three products of tiles, so many sessions' sums that nearly all 32 are then done.
template <bool INT8>
Score* score_for(int64_t products) {
    const int64_t sessions = 3 * AT_ONCE / std::max<int64_t>(products, 1);
    if (sessions >= 16) return score<16, INT8>;
    if (sessions >= 12) return score<12, INT8>;
    if (sessions >= 8) return score<8, INT8>;
    if (sessions >= 6) return score<6, INT8>;
    if (sessions >= 4) return score<4, INT8>;
    if (sessions >= 2) return score<2, INT8>;
    return sessions == 1 ? score<1, INT8> : score<0, INT8>;
}

}  // namespace

// 1 if the processor has such registers and the system lets this process use them.
extern "C" int64_t has_amx() { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }

// Similarities of all sessions with the candidates of groups [first, last), 32 a group.
//   int16, int8 of states   [session / 32][step][high bytes, low bytes, or int8][half][16 sessions][64 numbers]
//   int16, int8 of regions  [group][half][region][step][high, low, or int8][16 fours][16 candidates][4]
extern "C" void score_amx(const States* states, const Regions* regions, const Formula* formula, const Found* found,
                               int64_t first, int64_t last) {
    const TileShapes shapes;
    _tile_loadconfig(&shapes);
    const int64_t products = 6 * regions->int16_steps + 2 * regions->int8_steps;
    Score* const score = regions->int8_steps ? score_for<true>(products) : score_for<false>(products);
    for (int64_t group = first; group < last; ++group)
        for (int64_t half = 0; half < 2 && group * 32 + half * 16 < regions->candidates; ++half)
            for (int64_t s = 0; s < states->count; s += AT_ONCE)
                score(*states, s, *regions, group, half, *formula, *found);
    _tile_release();
}

#else

extern "C" int64_t has_amx() { return 0; }

#endif
