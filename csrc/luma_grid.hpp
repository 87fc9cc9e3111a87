// Coarse luma: the means of a few samples in each cell of a grid.
#pragma once

#include <vector>

#include "pixel_format.hpp"

namespace facectrl {

// The mean gray, 0..255, of `samples` x `samples` pixels a cell, row after row, into `cells`.
// `xs` and `ys` are the columns and rows of the image that are sampled, `samples` of them a cell.
void sample_cells(const ImageView& image, const std::vector<int>& xs, const std::vector<int>& ys,
                  int samples, std::vector<float>& cells);

}  // namespace facectrl
