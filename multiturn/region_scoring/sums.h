// What kernels of quantised vectors share: regions, state vectors and sums over regions; see quantised_regions.py.

#pragma once

#include <cstddef>
#include <cstdint>

#include "../integer_products.h"

#ifdef LANES

namespace {

const int TERMS = 6;  // of the length of the cosines' errors

// All candidates, 32 a group; lines of vectors begin at multiples of 64 bytes.
struct Regions {
    const void *int16, *int8;                // integers, in the kernel's own order; see layouts.py
    const float *int16_scale, *int8_scale;  // [group][region][32]: what products are multiplied by, beside a session's
    const Bits* real;                        // [group][region][register] bits of its candidates
    const float* norms;                      // [TERMS][group][32]
    int64_t candidates, regions, int16_steps, int8_steps;
};

// State vectors; filled up to as many as the kernel takes at once.
struct States {
    const void *int16, *int8;  // integers, in the kernel's own order; see layouts.py
    const int32_t* start;      // [session] what sums of int8 products start from, to make up for the zero point
    const float *int16_scale, *int8_scale;
    const float* terms;   // [TERMS][session] what to multiply the candidates' norms by
    const float* beside;  // [session] to add to the roots of sums of (df/ds_k)^2
    int64_t count, filled;
};

// `scale` is what cosines come multiplied by: sharpness / log 2, or a little where that is nothing.
struct Formula {
    float sharpness, scale, floor, growth;
};

// What is found: similarities and their reach, in bfloat16, [session, candidate]; the largest mean square so far [session].
struct Found {
    float* table;
    uint16_t* reach;
    float* squares;
};

const int REGISTERS = GROUP / LANES;  // of a group

// 2^t, |t| < 120, and 0 in lanes that are not `real`: the best polynomial of degree 4 on [-1/2, 1/2] is within 2.6e-6.
inline Floats power_of_two(Floats t, Mask real) {
    const Floats moved = t + all(TO_INTEGER);
    const Floats r = beside_integer(t);
    Floats p = all(9.570102207362652e-3f);
    p = multiply_add(p, r, all(5.591785907745361e-2f));
    p = multiply_add(p, r, all(2.40247443318367e-1f));
    p = multiply_add(p, r, all(6.931217908859253e-1f));
    p = multiply_add(p, r, all(9.999992847442627e-1f));
    return sum_of_bits(real, bits_of(p), left(bits_of(moved), 23));
}

// Sums over regions of e = 2^t, where t is the cosine times `scale`, and of e t, e t^2, e^2, e^2 t and e^2 t^2, of as
// many candidates as there are lanes.
struct Sums {
    Floats e, et, ett, ee, eet, eett;
};

inline void add_region(Floats t, Mask real, Sums& total) {
    const Floats e = power_of_two(t, real);
    const Floats et = e * t;
    total.e = total.e + e;
    total.et = total.et + et;
    total.ett = multiply_add(et, t, total.ett);
    total.ee = multiply_add(e, e, total.ee);
    total.eet = multiply_add(e, et, total.eet);
    total.eett = multiply_add(et, et, total.eett);
}

// How many of a group's regions are worth a look: those after them are no candidate's.
inline int64_t used_regions(const Regions& v, int64_t group) {
    const Bits* real = v.real + group * v.regions * REGISTERS;
    const auto used = [&](int64_t region) {
        Bits any = 0;
        for (int i = 0; i < REGISTERS; ++i) any |= real[region * REGISTERS + i];
        return any != 0;
    };
    int64_t count = v.regions;
    while (count > 1 && !used(count - 1)) --count;
    return count;
}

// Similarities of a register's candidates to one session, and how far they may be wrong.
inline void write(const Sums& sums, const States& x, int64_t s, const Regions& v, int64_t column, const Formula& f,
                  const Found& found) {
    const int64_t candidates = v.candidates - column, padded = (v.candidates + GROUP - 1) / GROUP * GROUP;
    if (candidates <= 0) return;
    const Mask there = mask_of(lanes_of(candidates));
    const Floats one = all(1.0f), b = all(f.sharpness);
    const Floats total = one / choose(there, sums.e, one);
    const Floats unscaled = total * all(1 / f.scale);
    const Floats mean = sums.et * unscaled;
    const Floats g = subtract_product(one, b, mean);  // df/ds_k = a_k (g + b s_k)
    // First divided, then multiplied: squares of exp(40) are near the end of float32.
    const Floats aa = sums.ee * total * total;
    const Floats aas = b * (sums.eet * total * unscaled);
    const Floats aass = sums.eett * unscaled * unscaled;
    const Floats inner = multiply_add(g, aa, aas + aas);
    const Floats pull = multiply_add(g, inner, b * b * aass);
    Floats error = all(0.0f);
    for (int term = 0; term < TERMS; ++term)
        error = multiply_add(all(x.terms[term * x.filled + s]), read(v.norms + term * padded + column), error);
    const Floats grown = power_of_two(least(all(2.88539008f * f.sharpness) * error, all(60.0f)), mask_of(-1));
    Floats weight = root(most(pull, all(0.0f)) + all(f.floor));
    weight = multiply_add(weight, all(1.001f), all(x.beside[s]));
    weight = multiply_add(error, all(f.growth), weight);
    const Floats reach = grown * weight * error * all(1.0001f);
    put(found.table + s * v.candidates + column, there, mean);
    // Rounded up.
    put_upper_halves(found.reach + s * v.candidates + column, there, add(bits_of(reach), all(0xffff)));
    const float square = largest_of(there, sums.ett * unscaled) / f.scale;
    if (square > found.squares[s]) found.squares[s] = square;
}

}  // namespace

#endif
