#include "look.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace facectrl {
namespace {

int to_multiple(double pixels, const InputLimits& limits) {
    const double most = std::floor(limits.most_side / limits.multiple);
    const double times = std::min(std::nearbyint(pixels / limits.multiple), most);
    return static_cast<int>(std::max(times, 1.0)) * limits.multiple;
}

}  // namespace

InputSize fitting(double rows, double columns, const InputLimits& limits) {
    if (rows * columns > limits.most_pixels || std::max(rows, columns) > limits.most_side) {
        const double shrink = std::min(std::sqrt(limits.most_pixels / (rows * columns)), 1.0);
        rows = std::min(rows * shrink, limits.most_side);
        columns = std::min(columns * shrink, limits.most_side);
    }
    return {to_multiple(rows, limits), to_multiple(columns, limits)};
}

std::optional<Look> close_look_at(const Box& box, int picture_width, int picture_height,
                                  const CloseLook& how, const InputLimits& limits) {
    PixelRect part;
    try {
        part = expanded_crop(box, how.expansion, picture_width, picture_height);
    } catch (const std::invalid_argument&) {
        return std::nullopt;
    }
    const double scale = std::min(how.face / box.height, how.most_enlarged);
    return Look{part, fitting(scale * part.height, scale * part.width, limits)};
}

void show(const ImageView& picture, const Look& look, int rows_read, float* out) {
    ImageView seen = picture;
    PixelRect part = look.part;
    const int step = part.height / (rows_read * look.size.rows);
    if (step > 1) {
        seen.data = picture.row(part.y + (step - 1) / 2);
        seen.stride *= step;
        seen.height = (part.height - (step - 1) / 2 + step - 1) / step;
        part.y = 0;
        part.height = seen.height;
    }
    resize_gray(seen, part, Resampling::Area, best_gray_rows(), out, look.size.columns,
                look.size.rows);
}

}  // namespace facectrl
