// Looks at pictures: which part a network is shown, how large, and the gray values of that.
#pragma once

#include <optional>

#include "preprocess.hpp"

namespace facectrl {

// Of a network's input.
struct InputSize {
    int rows, columns;
};

struct InputLimits {
    int multiple;  // of which both sides are one
    double most_pixels;
    double most_side;
};

// The nearest size that a network takes. `rows` and `columns` must be positive, and numbers like
// their product.
InputSize fitting(double rows, double columns, const InputLimits& limits);

// How faces are shown to a network that looks closely.
struct CloseLook {
    Expansion expansion;   // of the face's box
    double face;           // rows of it in the input
    double most_enlarged;  // times
};

struct Look {
    PixelRect part;
    InputSize size;
};

// The close look at a box of positive sides. Nothing where it lies outside of the picture.
std::optional<Look> close_look_at(const Box& box, int picture_width, int picture_height,
                                  const CloseLook& how, const InputLimits& limits);

// Writes size.rows x size.columns floats in [0, 1]; the part lies inside the picture. Where it is
// large some rows are left out: at least `rows_read`, a positive number, are read for each of the
// input's.
void show(const ImageView& picture, const Look& look, int rows_read, float* out);

}  // namespace facectrl
