#include "preprocess.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <vector>

namespace facectrl {
namespace {

// How source pixels make up output pixels along one axis. Each output pixel has the same number of
// weights, for the pixels first, first + 1, ...; they add up to one, and the last ones may be 0 and
// belong to pixels beyond the source.
class Axis {
public:
    Axis(Resampling resampling, int source, int target) : size_(target) {
        const double scale = static_cast<double>(source) / target;
        taps_ = resampling == Resampling::Bilinear ? 2 : static_cast<int>(scale) + 2;
        const int blocks = (target + kColumnsAtOnce - 1) / kColumnsAtOnce;
        firsts_.resize(static_cast<std::size_t>(blocks * kColumnsAtOnce));
        weights_.assign(firsts_.size() * static_cast<std::size_t>(taps_), 0.0f);
        for (int i = 0; i < target; ++i) {
            if (resampling == Resampling::Bilinear) {
                set_bilinear(i, (i + 0.5) * scale - 0.5, source);
            } else {
                set_area(i, i * scale, (i + 1) * scale, source);
            }
        }
        std::fill(firsts_.begin() + target, firsts_.end(), first(target - 1));
    }

    int taps() const { return taps_; }
    ColumnWeights columns() const {
        int reach = 0;
        for (std::size_t i = 0; i < firsts_.size(); i += kColumnsAtOnce) {
            reach = std::max(reach, firsts_[i + kColumnsAtOnce - 1] + taps_ - firsts_[i]);
        }
        return {firsts_.data(), weights_.data(), taps_, size_, reach};
    }
    int first(int i) const { return firsts_[static_cast<std::size_t>(i)]; }
    float weight(int i, int k) const { return weights_[place(i, k)]; }

private:
    std::size_t place(int i, int k) const {
        const int block = i / kColumnsAtOnce * taps_ + k;
        return static_cast<std::size_t>(block * kColumnsAtOnce + i % kColumnsAtOnce);
    }

    void set(int i, int k, double weight) { weights_[place(i, k)] = static_cast<float>(weight); }

    void set_bilinear(int i, double centre, int source) {
        const int left = static_cast<int>(std::floor(centre));
        const double fraction = centre - left;
        const int first = std::clamp(left, 0, source - 1);
        const int second = std::clamp(left + 1, 0, source - 1);
        firsts_[static_cast<std::size_t>(i)] = first;
        set(i, 0, first == second ? 1.0 : 1.0 - fraction);
        set(i, 1, first == second ? 0.0 : fraction);
    }

    void set_area(int i, double from, double to, int source) {
        const int first = std::clamp(static_cast<int>(from), 0, source - 1);
        const int last = std::clamp(static_cast<int>(std::ceil(to)), first + 1, source);
        const double covered = std::min<double>(to, last) - std::max<double>(from, first);
        firsts_[static_cast<std::size_t>(i)] = first;
        for (int pixel = first; pixel < last; ++pixel) {
            const double share = std::min<double>(to, pixel + 1) - std::max<double>(from, pixel);
            set(i, pixel - first, std::max(share, 0.0) / covered);
        }
    }

    int size_;
    int taps_;
    std::vector<int> firsts_;
    std::vector<float> weights_;  // as ColumnWeights has them
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
    const ColumnWeights columns = horizontal.columns();
    const AccumulateGrayRow accumulate = rows.of(image.format);
    const std::size_t offset =
        static_cast<std::size_t>(crop.x) * bytes_per_pixel(image.format);
    // As many more as the last output pixel's weights reach beyond the crop.
    const int reached = crop.width + horizontal.taps();
    const auto stride =
        static_cast<std::size_t>((reached + kRowsAtOnce - 1) / kRowsAtOnce * kRowsAtOnce);
    // Not set to zero: that is done for each part of the picture.
    const std::unique_ptr<float[]> sums(new float[2 * kRowsAtOnce * stride]);
    for (int start = 0; start < out_height; start += kRowsAtOnce) {
        const int count = std::min(out_height - start, kRowsAtOnce);
        std::fill_n(sums.get(), kRowsAtOnce * stride, 0.0f);
        for (int j = 0; j < count; ++j) {
            float* const sum = &sums[static_cast<std::size_t>(j) * stride];
            const int first = crop.y + vertical.first(start + j);
            for (int k = 0; k < vertical.taps(); ++k) {
                const float weight = vertical.weight(start + j, k);
                if (weight == 0) continue;
                accumulate(image.row(first + k) + offset, crop.width, weight / 255.0f, sum);
            }
        }
        rows.combine(columns, sums.get(), stride, count, out);
        out += static_cast<std::ptrdiff_t>(count) * out_width;
    }
}

}  // namespace facectrl
