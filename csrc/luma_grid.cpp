#include "luma_grid.hpp"

#include <cstddef>

#include "gray_pixel.hpp"

namespace facectrl {
namespace {

template <float (*Gray)(const std::uint8_t*)>
void sample_as(const ImageView& image, const std::vector<int>& xs, const std::vector<int>& ys,
               std::size_t samples, std::vector<float>& cells) {
    const std::size_t columns = xs.size() / samples;
    const float weight = 1.0f / static_cast<float>(samples * samples);
    const std::size_t step = bytes_per_pixel(image.format);
    cells.assign(columns * (ys.size() / samples), 0.0f);
    for (std::size_t j = 0; j < ys.size(); ++j) {
        const std::uint8_t* row = image.row(ys[j]);
        float* cell = &cells[j / samples * columns];
        for (std::size_t i = 0; i < columns; ++i) {
            for (std::size_t k = i * samples; k < (i + 1) * samples; ++k) {
                cell[i] += weight * Gray(row + static_cast<std::size_t>(xs[k]) * step);
            }
        }
    }
}

}  // namespace

void sample_cells(const ImageView& image, const std::vector<int>& xs, const std::vector<int>& ys,
                  int samples, std::vector<float>& cells) {
    const auto side = static_cast<std::size_t>(samples);
    switch (image.format) {
    case PixelFormat::BGR24: return sample_as<bgr_gray>(image, xs, ys, side, cells);
    case PixelFormat::GRAY8: return sample_as<full_gray>(image, xs, ys, side, cells);
    case PixelFormat::UYVY: return sample_as<limited_gray_second>(image, xs, ys, side, cells);
    case PixelFormat::YUYV:
    case PixelFormat::NV12: return sample_as<limited_gray>(image, xs, ys, side, cells);
    }
}

}  // namespace facectrl
