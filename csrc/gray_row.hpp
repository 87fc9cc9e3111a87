// The inner loops of the kernels, once for each instruction set: a row of pixels to gray, and rows
// of sums to the columns of a resized picture.
//
// BT.601 throughout: 0.299 R + 0.587 G + 0.114 B for BGR24; YUYV, UYVY and NV12 carry
// limited range luma, so (Y - 16) * 255 / 219, clipped to 0..255; GRAY8 is full range already.
#pragma once

#include <cstddef>

#include "pixel_format.hpp"

namespace facectrl {

// acc[i] += weight * gray(pixels[i]) for i in [0, n); gray is in 0..255.
using AccumulateGrayRow = void (*)(const std::uint8_t* pixels, int n, float weight, float* acc);

// So many columns lie together below: a wide register holds them.
constexpr int kColumnsAtOnce = 8;

// How the pixels of a row make up those of a resized one: each of `width` pixels is the sum of
// `taps` products, of pixel firsts[i] + k and a weight. Weights lie in blocks of kColumnsAtOnce
// columns, the first of each column, then the second of each: that of column i is at
// (i / kColumnsAtOnce * taps + k) * kColumnsAtOnce + i % kColumnsAtOnce. The last block is full:
// what is beyond the width has the last column's first pixel, and no weight.
struct ColumnWeights {
    const int* firsts;
    const float* weights;
    int taps;
    int width;
    int reach;  // pixels, from the first to the last, that a block needs at most
};

// So many rows are combined at once: a wide register holds a pixel of each.
constexpr int kRowsAtOnce = 8;

// Resizes `rows` rows of sums, at most kRowsAtOnce, and clips the result to one. `sums` has room for
// kRowsAtOnce of them, each `stride` floats, a multiple of kRowsAtOnce, behind the last, and as much
// again to work in; `out` gets rows of `width`, one after the other.
using CombineColumns = void (*)(const ColumnWeights& columns, float* sums, std::size_t stride,
                                int rows, float* out);

struct GrayRowKernels {
    AccumulateGrayRow bgr24;
    AccumulateGrayRow gray8;
    AccumulateGrayRow yuyv;
    AccumulateGrayRow uyvy;
    AccumulateGrayRow nv12;
    CombineColumns combine;

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
