// The fused crop-expand-gray-resize pass: one read of the crop, no intermediate image.
#pragma once

#include "gray_row.hpp"

namespace facectrl {

// x, y, width, height in pixels of the frame; fractions are allowed.
struct Box {
    double x, y, width, height;
};

// Whole pixels, inside the frame, at least 1 x 1.
struct PixelRect {
    int x, y, width, height;
};

enum class Resampling : std::uint8_t {
    Bilinear,  // half-pixel centres, no antialiasing
    Area,      // the exact mean of the covered source area
};

struct Expansion {
    bool relative;  // of the box's sides, else pixels
    double x, y;
};

// Grows the box by the expansion, half on each side, clips it to the frame and rounds to whole
// pixels. Throws std::invalid_argument where nothing of it lies inside the frame.
PixelRect expanded_crop(const Box& box, const Expansion& expansion, int frame_width,
                        int frame_height);

// Writes out_height x out_width floats in [0, 1], row after row, at `out`.
void resize_gray(const ImageView& image, const PixelRect& crop, Resampling resampling,
                 const GrayRowKernels& rows, float* out, int out_width, int out_height);

}  // namespace facectrl
