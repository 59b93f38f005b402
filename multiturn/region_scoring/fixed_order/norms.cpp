// Sums of squares in float64, in the order of multiturn.scoring.norms_of_rows, to the same bits as PyTorch's.

#include <cstdint>

#include "../../fixed_order.h"

// `scratch` has room for dim + 1 numbers.
extern "C" void squares_in_fixed_order(const float* vectors, int64_t rows, int64_t dim, double* scratch, double* squares) {
    for (int64_t row = 0; row < rows; ++row, vectors += dim) {
        for (int64_t d = 0; d < dim; ++d) scratch[d] = (double)vectors[d] * (double)vectors[d];
        squares[row] = sum_in_fixed_order(scratch, dim);
    }
}
