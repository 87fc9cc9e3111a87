#include "gray_row.hpp"

#include "gray_pixel.hpp"

namespace facectrl {
namespace {

template <float (*Gray)(const std::uint8_t*), int Step>
void accumulate(const std::uint8_t* pixels, int n, float weight, float* acc) {
    for (int i = 0; i < n; ++i) acc[i] += weight * Gray(pixels + i * Step);
}

}  // namespace

const GrayRowKernels& portable_gray_rows() {
    static constexpr GrayRowKernels kernels{accumulate<bgr_gray, 3>, accumulate<full_gray, 1>,
                                            accumulate<limited_gray, 2>,
                                            accumulate<limited_gray_second, 2>,
                                            accumulate<limited_gray, 1>};
    return kernels;
}

const GrayRowKernels& best_gray_rows() {
    static const GrayRowKernels& best =
        avx2_gray_rows() != nullptr ? *avx2_gray_rows() : portable_gray_rows();
    return best;
}

}  // namespace facectrl
