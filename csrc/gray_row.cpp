#include "gray_row.hpp"

#include <algorithm>

namespace facectrl {
namespace {

constexpr float kFullRange = 255.0f / 219.0f;

float bgr_gray(const std::uint8_t* p) {
    return 0.114f * static_cast<float>(p[0]) + 0.587f * static_cast<float>(p[1]) +
           0.299f * static_cast<float>(p[2]);
}

float full_gray(const std::uint8_t* p) { return static_cast<float>(*p); }

float limited_gray(const std::uint8_t* p) {
    return std::clamp((static_cast<float>(*p) - 16.0f) * kFullRange, 0.0f, 255.0f);
}

template <float (*Gray)(const std::uint8_t*), int Step>
void accumulate(const std::uint8_t* pixels, int n, float weight, float* acc) {
    for (int i = 0; i < n; ++i) acc[i] += weight * Gray(pixels + i * Step);
}

}  // namespace

const GrayRowKernels& portable_gray_rows() {
    static constexpr GrayRowKernels kernels{accumulate<bgr_gray, 3>, accumulate<full_gray, 1>,
                                            accumulate<limited_gray, 2>,
                                            accumulate<limited_gray, 1>};
    return kernels;
}

const GrayRowKernels& best_gray_rows() {
    static const GrayRowKernels& best =
        avx2_gray_rows() != nullptr ? *avx2_gray_rows() : portable_gray_rows();
    return best;
}

float gray_of(const std::uint8_t* pixel, PixelFormat format) {
    switch (format) {
    case PixelFormat::BGR24: return bgr_gray(pixel);
    case PixelFormat::YUYV:
    case PixelFormat::NV12: return limited_gray(pixel);
    case PixelFormat::GRAY8: break;
    }
    return full_gray(pixel);
}

}  // namespace facectrl
