#include "preprocess.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

namespace facectrl {
namespace {

// The source pixels that make one output pixel along one axis: weights[0..count) for the pixels
// first, first + 1, ...; they add up to one.
struct Taps {
    int first;
    int count;
    const float* weights;
};

class Axis {
public:
    Axis(Resampling resampling, int source, int target) {
        const double scale = static_cast<double>(source) / target;
        const int most = resampling == Resampling::Bilinear ? 2 : static_cast<int>(scale) + 2;
        weights_.reserve(static_cast<std::size_t>(most) * static_cast<std::size_t>(target));
        taps_.reserve(static_cast<std::size_t>(target));
        for (int i = 0; i < target; ++i) {
            if (resampling == Resampling::Bilinear) {
                add_bilinear((i + 0.5) * scale - 0.5, source);
            } else {
                add_area(i * scale, (i + 1) * scale, source);
            }
        }
    }

    const std::vector<Taps>& taps() const { return taps_; }

private:
    void add_bilinear(double centre, int source) {
        const int left = static_cast<int>(std::floor(centre));
        const double fraction = centre - left;
        const int first = std::clamp(left, 0, source - 1);
        const int second = std::clamp(left + 1, 0, source - 1);
        if (first == second) {
            push(first, {1.0});
        } else {
            push(first, {1.0 - fraction, fraction});
        }
    }

    void add_area(double from, double to, int source) {
        const int first = std::clamp(static_cast<int>(from), 0, source - 1);
        const int last = std::clamp(static_cast<int>(std::ceil(to)), first + 1, source);
        std::vector<double>& covered = scratch_;
        covered.clear();
        double total = 0;
        for (int i = first; i < last; ++i) {
            const double share =
                std::max(std::min<double>(to, i + 1) - std::max<double>(from, i), 0.0);
            covered.push_back(share);
            total += share;
        }
        for (double& share : covered) share /= total;
        push(first, covered);
    }

    void push(int first, const std::vector<double>& weights) {
        // Reserved in full by the constructor: the addresses handed out stay valid.
        const float* at = weights_.data() + weights_.size();
        for (double weight : weights) weights_.push_back(static_cast<float>(weight));
        taps_.push_back({first, static_cast<int>(weights.size()), at});
    }

    std::vector<Taps> taps_;
    std::vector<float> weights_;
    std::vector<double> scratch_;
};

// Clips [start, start + length) to [0, limit) and rounds it to whole pixels, keeping at least one.
std::pair<int, int> clip_to_pixels(double start, double length, int limit) {
    const double from = std::max(start, 0.0);
    const double to = std::min(start + length, static_cast<double>(limit));
    if (!(to > from)) throw std::invalid_argument("box: lies outside the frame");
    const int first = std::min(static_cast<int>(std::floor(from + 0.5)), limit - 1);
    const int last = std::max(static_cast<int>(std::floor(to + 0.5)), first + 1);
    return {first, last - first};
}

}  // namespace

PixelRect expanded_crop(const Box& box, const Expansion& expansion, int frame_width,
                        int frame_height) {
    const double grow_x = expansion.relative ? expansion.x * box.width : expansion.x;
    const double grow_y = expansion.relative ? expansion.y * box.height : expansion.y;
    const auto [x, width] =
        clip_to_pixels(box.x - grow_x / 2, box.width + grow_x, frame_width);
    const auto [y, height] =
        clip_to_pixels(box.y - grow_y / 2, box.height + grow_y, frame_height);
    return {x, y, width, height};
}

void resize_gray(const ImageView& image, const PixelRect& crop, Resampling resampling,
                 const GrayRowKernels& rows, float* out, int out_width, int out_height) {
    const Axis horizontal(resampling, crop.width, out_width);
    const Axis vertical(resampling, crop.height, out_height);
    const AccumulateGrayRow accumulate = rows.of(image.format);
    const std::size_t offset =
        static_cast<std::size_t>(crop.x) * bytes_per_pixel(image.format);
    std::vector<float> sums(static_cast<std::size_t>(crop.width));

    for (const Taps& rows_of : vertical.taps()) {
        std::fill(sums.begin(), sums.end(), 0.0f);
        for (int k = 0; k < rows_of.count; ++k) {
            accumulate(image.row(crop.y + rows_of.first + k) + offset, crop.width,
                       rows_of.weights[k] / 255.0f, sums.data());
        }
        for (const Taps& columns : horizontal.taps()) {
            float value = 0;
            for (int k = 0; k < columns.count; ++k) {
                value += columns.weights[k] * sums[static_cast<std::size_t>(columns.first + k)];
            }
            // Rounding may leave the last bit above one; the contract says [0, 1].
            *out++ = std::min(value, 1.0f);
        }
    }
}

}  // namespace facectrl
