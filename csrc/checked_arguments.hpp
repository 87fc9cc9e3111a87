// Checks of what Python gives to more than one binding; their messages name the argument.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <array>
#include <string>

#include "preprocess.hpp"

namespace facectrl {

// The image's pixels; the caller keeps the array alive.
ImageView view_of(const pybind11::array& image, PixelFormat format);

Box checked_box(const std::array<double, 4>& box);

Expansion checked_expansion(const std::array<double, 2>& amount, const std::string& unit);

// Where gray values are written to.
struct Target {
    float* data;
    int width;
    int height;
};

Target checked_target(pybind11::array& out);

}  // namespace facectrl
