// Fused scoring of quantised state vectors against quantised regions.

#include "sums.h"

#ifdef LANES

namespace {

const int64_t REGIONS = 9;                              // at once: their cosines stay in the nearest cache
const int64_t PARTS = SESSIONS * HALVES;                // registers of cosines of a region
const int64_t TILES = GROUP / COLUMNS;                  // of a group

inline void scale_of(const float* scales, int64_t column, Floats scale[HALVES]) {
    for (int half = 0; half < HALVES; ++half) scale[half] = read(scales + column + half * LANES);
}

// Cosines, times the formula's scale, of some sessions and candidates for one region: integer sums are exact.
//   x.int16, x.int8  [session / SESSIONS][step][session] pairs of int16, and fours of int8
//   v.int16, v.int8  [group][tile][region][step][half][lane] likewise; the int8 ones with their zero point
inline void multiply(const States& x, int64_t s, const Regions& v, int64_t group, int64_t tile, int64_t region, Floats* cosines) {
    const int64_t row = (group * TILES + tile) * v.regions + region;
    const int64_t column = (group * v.regions + region) * GROUP + tile * COLUMNS;
    Floats scale[HALVES];
    add_up_in_parts((const int32_t*)x.int16 + s * v.int16_steps,
                    (const Integers*)v.int16 + row * v.int16_steps * HALVES, v.int16_steps, cosines);
    scale_of(v.int16_scale, column, scale);
#pragma GCC unroll 12
    for (int i = 0; i < SESSIONS; ++i)
#pragma GCC unroll 2
        for (int half = 0; half < HALVES; ++half) cosines[i * HALVES + half] *= all(x.int16_scale[s + i]) * scale[half];
#if HAS_VNNI
    if (v.int8_steps == 0) return;
    Integers sums[SESSIONS][HALVES];
    add_up<add_int8_products>((const int32_t*)x.int8 + s * v.int8_steps,
                              (const Integers*)v.int8 + row * v.int8_steps * HALVES, v.int8_steps, sums, x.start + s);
    scale_of(v.int8_scale, column, scale);
#pragma GCC unroll 12
    for (int i = 0; i < SESSIONS; ++i)
#pragma GCC unroll 2
        for (int half = 0; half < HALVES; ++half)
            cosines[i * HALVES + half] = multiply_add(to_floats(sums[i][half]), all(x.int8_scale[s + i]) * scale[half],
                                                      cosines[i * HALVES + half]);
#endif
}

inline void add_regions(const Floats* cosines, const Mask* real, int64_t regions, Sums& sums) {
    Sums total = sums;
    for (int64_t k = 0; k < regions; ++k) add_region(cosines[k * PARTS], real[k * HALVES], total);
    sums = total;
}

}  // namespace

// Similarities of all sessions with the candidates of groups [first, last), 32 a group.
extern "C" void score_simd(const States* states, const Regions* regions, const Formula* formula,
                                    const Found* found, int64_t first, int64_t last) {
    const States& x = *states;
    const Regions& v = *regions;
    for (int64_t group = first; group < last; ++group)
        for (int64_t tile = 0; tile < TILES && group * GROUP + tile * COLUMNS < v.candidates; ++tile) {
            const Bits* bits = v.real + group * v.regions * REGISTERS + tile * HALVES;
            const int64_t used = used_regions(v, group), column = group * GROUP + tile * COLUMNS;
            for (int64_t s = 0; s < x.count; s += SESSIONS) {
                Floats cosines[REGIONS * PARTS];
                Sums sums[PARTS] = {};
                for (int64_t k = 0; k < used; k += REGIONS) {
                    const int64_t some = used - k < REGIONS ? used - k : REGIONS;
                    Mask real[REGIONS * HALVES];
                    for (int64_t i = 0; i < some; ++i) {
                        multiply(x, s, v, group, tile, k + i, cosines + i * PARTS);
                        for (int half = 0; half < HALVES; ++half)
                            real[i * HALVES + half] = mask_of(bits[(k + i) * REGISTERS + half]);
                    }
                    for (int64_t part = 0; part < PARTS; ++part)
                        add_regions(cosines + part, real + part % HALVES, some, sums[part]);
                }
                for (int64_t part = 0; part < PARTS && s + part / HALVES < x.count; ++part)
                    write(sums[part], x, s + part / HALVES, v, column + part % HALVES * LANES, *formula, *found);
            }
        }
}

#endif
