#include "gray_row.hpp"

#include <algorithm>

#include "gray_pixel.hpp"

namespace facectrl {
namespace {

template <float (*Gray)(const std::uint8_t*), int Step>
void accumulate(const std::uint8_t* pixels, int n, float weight, float* acc) {
    for (int i = 0; i < n; ++i) acc[i] += weight * Gray(pixels + i * Step);
}

// `Taps` is columns.taps where that is known when this is compiled, else 0.
template <int Taps>
void combine_row(const ColumnWeights& columns, const float* sums, float* out) {
    const int taps = Taps > 0 ? Taps : columns.taps;
    const float* weights = columns.weights;
    for (int i = 0; i < columns.width; i += kColumnsAtOnce, weights += taps * kColumnsAtOnce) {
        const int count = std::min(columns.width - i, kColumnsAtOnce);
        for (int j = 0; j < count; ++j) {
            const float* from = sums + columns.firsts[i + j];
            float value = 0;
            for (int k = 0; k < taps; ++k) value += weights[k * kColumnsAtOnce + j] * from[k];
            // Rounding may leave the last bit above one; the contract says [0, 1].
            out[i + j] = std::min(value, 1.0f);
        }
    }
}

void combine(const ColumnWeights& columns, float* sums, std::size_t stride, int rows, float* out) {
    const auto row = columns.taps == 2 ? combine_row<2> : combine_row<0>;
    for (int j = 0; j < rows; ++j, sums += stride, out += columns.width) row(columns, sums, out);
}

}  // namespace

const GrayRowKernels& portable_gray_rows() {
    static constexpr GrayRowKernels kernels{accumulate<bgr_gray, 3>, accumulate<full_gray, 1>,
                                            accumulate<limited_gray, 2>,
                                            accumulate<limited_gray_second, 2>,
                                            accumulate<limited_gray, 1>, combine};
    return kernels;
}

const GrayRowKernels& best_gray_rows() {
    static const GrayRowKernels& best =
        avx2_gray_rows() != nullptr ? *avx2_gray_rows() : portable_gray_rows();
    return best;
}

}  // namespace facectrl
