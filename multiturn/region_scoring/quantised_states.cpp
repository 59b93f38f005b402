// Quantised state vectors, in the order in which kernels read them; quantised_states.py calls it.

#include <cmath>
#include <cstring>
#include <vector>

#include "../lanes.h"

#ifdef LANES

namespace {

// Where integers go: [session / at_once][step][high bytes, low bytes][session][number of the step].
struct Places {
    int8_t* numbers;
    int64_t at_once, step;  // sessions, and numbers of one beside each other
    int64_t bytes, split_bytes;  // of a number; 1 if its high byte and its low one lie apart
};

// What is known of each session's numbers.
struct Measured {
    float *factor, *residual, *low;  // of rounding; L2 norms of its residual and of the low bytes, over the factor
    int32_t* total;                  // their sum
};

template <class Number, class Register>
inline Number sum_of(Register x) {
    Number numbers[LANES];
    std::memcpy(numbers, &x, sizeof x);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) numbers[i] += numbers[half + i];
    return numbers[0];
}

// What to multiply a row of length 1 at most with: its numbers are then `largest` at most, its parts `longest` long.
inline float factor_of(const float* row, int64_t dim, float largest, float longest, int64_t part) {
    Floats most_yet = all(0.0f);
    float squares = part < dim ? 0 : 1;
    for (int64_t first = 0; first < dim; first += part) {
        const int64_t end = part < dim - first ? first + part : dim;
        Floats sum = all(0.0f);
        for (int64_t d = first; d < end; d += LANES) {
            const Floats x = read(row + d, mask_of(lanes_of(end - d)));
            most_yet = most(most_yet, most(x, all(0.0f) - x));
            sum = multiply_add(x, x, sum);
        }
        if (part < dim) squares = std::fmax(squares, sum_of<float>(sum));
    }
    const float most_here = std::fmax(largest_of(mask_of(-1), most_yet), 1e-3f);
    return std::fmin(largest / most_here, longest / std::fmax(std::sqrt(squares), 1e-3f));
}

inline void place(const int16_t* __restrict integers, int64_t row, int64_t dim, const Places& to) {
    const int64_t line = to.step * to.bytes, lines = to.split_bytes ? 2 : 1, steps = (dim + to.step - 1) / to.step;
    int8_t* __restrict at = to.numbers + (row / to.at_once * steps * lines * to.at_once + row % to.at_once) * line;
    for (int64_t d = 0; d < dim; d += to.step, at += lines * to.at_once * line) {
        const int64_t some = dim - d < to.step ? dim - d : to.step;
        if (to.bytes == 2) {
            std::memcpy(at, integers + d, some * 2);
            continue;
        }
        if (to.split_bytes)
            for (int64_t i = 0; i < some; ++i) at[i] = (integers[d + i] + 128) >> 8;
        int8_t* __restrict low = to.split_bytes ? at + to.at_once * line : at;
        for (int64_t i = 0; i < some; ++i) low[i] = (int8_t)integers[d + i];
    }
}

}  // namespace

// Rows [first, last), each times its factor and rounded.
extern "C" void quantise_states(const float* rows, int64_t dim, float largest, float longest, int64_t part,
                             const Places* places, const Measured* measured, int64_t first, int64_t last) {
    std::vector<int16_t> integers(dim);
    for (int64_t row = first; row < last; ++row) {
        const float* own = rows + row * dim;
        const float factor = factor_of(own, dim, largest, longest, part);
        Floats squares = all(0.0f), low_squares = all(0.0f);
        Integers total = all(0);
        for (int64_t d = 0; d < dim; d += LANES) {
            const Mask there = mask_of(lanes_of(dim - d));
            const Floats scaled = read(own + d, there) * all(factor);
            const Integers nearest = to_integers(scaled);
            const Floats rest = scaled - to_floats(nearest), low = to_floats(low_byte(nearest));
            squares = multiply_add(rest, rest, squares);
            low_squares = multiply_add(low, low, low_squares);
            total = add(total, nearest);
            put_upper_halves((uint16_t*)integers.data() + d, there, left(nearest, 16));
        }
        measured->factor[row] = factor;
        measured->residual[row] = std::sqrt(sum_of<float>(squares)) / factor;
        measured->low[row] = std::sqrt(sum_of<float>(low_squares)) / factor;
        measured->total[row] = sum_of<int32_t>(total);
        place(integers.data(), row, dim, *places);
    }
}

#endif
