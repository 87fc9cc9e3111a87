#include "template_match.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "luma_grid.hpp"

namespace facectrl {
namespace {

// Standard deviation of luma below which a patch is flat: it is like anything.
constexpr float kFlat = 2.0f;

// The columns or rows of `cells` cells of the size `pitch` from `start` on; those outside of the
// image are those at its edge.
std::vector<int> places(double start, double pitch, int cells, int limit) {
    const int count = cells * TemplateMatch::kSamples;
    std::vector<int> all(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        const double at = std::floor(start + (i + 0.5) * pitch / TemplateMatch::kSamples);
        all[static_cast<std::size_t>(i)] =
            static_cast<int>(std::clamp(at, 0.0, static_cast<double>(limit - 1)));
    }
    return all;
}

// Where between its neighbours a parabola through three values has its top, in -0.5..0.5.
double top_between(float before, float top, float after) {
    const double curvature = 2.0 * top - before - after;
    return curvature > 0 ? std::clamp((after - before) / (2 * curvature), -0.5, 0.5) : 0.0;
}

}  // namespace

void TemplateMatch::start(const ImageView& image, const Box& box) {
    if (!(box.width > 0 && box.height > 0)) {
        throw std::invalid_argument("box: width and height must be positive");
    }
    box_ = box;
    sample_cells(image, places(box.x, box.width / kColumns, kColumns, image.width),
                 places(box.y, box.height / kRows, kRows, image.height), kSamples, template_);
    const float mean = std::accumulate(template_.begin(), template_.end(), 0.0f) /
                       static_cast<float>(template_.size());
    float squares = 0;
    for (float& cell : template_) {
        cell -= mean;
        squares += cell * cell;
    }
    template_norm_ = std::sqrt(squares);
}

TemplateFind TemplateMatch::update(const ImageView& image) {
    if (template_.empty()) throw std::logic_error("update: start comes first");
    const double pitch_x = box_.width / kColumns;
    const double pitch_y = box_.height / kRows;
    sample_cells(
        image, places(box_.x - kMarginX * pitch_x, pitch_x, kSearchColumns, image.width),
        places(box_.y - kMarginY * pitch_y, pitch_y, kSearchRows, image.height), kSamples, search_);
    // Small numbers keep the squares exact enough in single precision.
    const float mean = std::accumulate(search_.begin(), search_.end(), 0.0f) /
                       static_cast<float>(search_.size());
    for (float& cell : search_) cell -= mean;
    correlate();
    const auto best = std::max_element(similarities_.begin(), similarities_.end());
    const auto index = static_cast<int>(best - similarities_.begin());
    const int x = index % kShiftsX;
    const int y = index / kShiftsX;
    double shift_x = x - kMarginX;
    double shift_y = y - kMarginY;
    if (0 < x && x < kShiftsX - 1) shift_x += top_between(best[-1], *best, best[1]);
    if (0 < y && y < kShiftsY - 1) shift_y += top_between(best[-kShiftsX], *best, best[kShiftsX]);
    if (*best > 0) {
        box_.x += shift_x * pitch_x;
        box_.y += shift_y * pitch_y;
    }
    return {box_, *best};
}

void TemplateMatch::correlate() {
    constexpr int kCells = kColumns * kRows;
    constexpr float kFlatSquares = kFlat * kFlat * kCells;
    similarities_.assign(static_cast<std::size_t>(kShiftsX * kShiftsY), 0.0f);
    if (template_norm_ * template_norm_ < kFlatSquares) return;
    for (int y = 0; y < kShiftsY; ++y) {
        // All shifts to the side at once, so that the compiler can work on several together.
        std::array<float, kShiftsX> sums{};
        std::array<float, kShiftsX> squares{};
        std::array<float, kShiftsX> products{};
        for (int j = 0; j < kRows; ++j) {
            const float* cells = &search_[static_cast<std::size_t>((y + j) * kSearchColumns)];
            for (int i = 0; i < kColumns; ++i) {
                const float wanted = template_[static_cast<std::size_t>(j * kColumns + i)];
                for (std::size_t x = 0; x < kShiftsX; ++x) {
                    const float cell = cells[static_cast<std::size_t>(i) + x];
                    sums[x] += cell;
                    squares[x] += cell * cell;
                    products[x] += cell * wanted;
                }
            }
        }
        for (std::size_t x = 0; x < kShiftsX; ++x) {
            const float spread = squares[x] - sums[x] * sums[x] / kCells;
            if (spread < kFlatSquares) continue;
            // Rounding may go a little beyond what a correlation can be.
            similarities_[static_cast<std::size_t>(y * kShiftsX) + x] =
                std::clamp(products[x] / (template_norm_ * std::sqrt(spread)), -1.0f, 1.0f);
        }
    }
}

}  // namespace facectrl
