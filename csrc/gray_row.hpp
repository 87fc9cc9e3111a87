// One row of pixels to gray, the inner loop of every kernel.
//
// BT.601 throughout: 0.299 R + 0.587 G + 0.114 B for BGR24; YUYV, UYVY and NV12 carry
// limited range luma, so (Y - 16) * 255 / 219, clipped to 0..255; GRAY8 is full range already.
#pragma once

#include "pixel_format.hpp"

namespace facectrl {

// acc[i] += weight * gray(pixels[i]) for i in [0, n); gray is in 0..255.
using AccumulateGrayRow = void (*)(const std::uint8_t* pixels, int n, float weight, float* acc);

struct GrayRowKernels {
    AccumulateGrayRow bgr24;
    AccumulateGrayRow gray8;
    AccumulateGrayRow yuyv;
    AccumulateGrayRow uyvy;
    AccumulateGrayRow nv12;

    AccumulateGrayRow of(PixelFormat format) const {
        switch (format) {
        case PixelFormat::BGR24: return bgr24;
        case PixelFormat::YUYV: return yuyv;
        case PixelFormat::UYVY: return uyvy;
        case PixelFormat::NV12: return nv12;
        case PixelFormat::GRAY8: break;
        }
        return gray8;
    }
};

// Portable code, vectorised by the compiler for the baseline instruction set (SSE2, NEON).
const GrayRowKernels& portable_gray_rows();

// AVX2 and FMA; null where the processor or the build has none.
const GrayRowKernels* avx2_gray_rows();

// The fastest of the above on this processor.
const GrayRowKernels& best_gray_rows();

}  // namespace facectrl
