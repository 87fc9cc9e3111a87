#include "gate.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "luma_grid.hpp"

namespace facectrl {
namespace {

constexpr std::size_t kCells =
    static_cast<std::size_t>(LumaGate::kColumns) * static_cast<std::size_t>(LumaGate::kRows);

// A fifth of the cells lies below 0.2533 standard deviations of a normal distribution. The quiet
// fifth, not the median, so that a person filling half of the picture is not taken for noise.
constexpr float kQuietShare = 0.2f;
constexpr float kQuietDeviations = 0.2533f;

// Of an image with that many rows or columns: the middles of as many stretches as there are samples.
std::vector<int> sampled(int size, int cells) {
    const int count = cells * LumaGate::kSamples;
    std::vector<int> places(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        places[static_cast<std::size_t>(i)] = (2 * i + 1) * size / (2 * count);
    }
    return places;
}

double mean(const std::vector<float>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) /
           static_cast<double>(values.size());
}

}  // namespace

void LumaGate::sample(const ImageView& image) {
    if (image.width < kColumns || image.height < kRows) {
        throw std::invalid_argument("image: smaller than the gate's grid of 32 x 24 cells");
    }
    sample_cells(image, sampled(image.width, kColumns), sampled(image.height, kRows), kSamples,
                 cells_);
}

SceneChange LumaGate::compare(const ImageView& image) {
    sample(image);
    const double brightness = mean(cells_);
    double variance = 0;
    for (float cell : cells_) variance += (cell - brightness) * (cell - brightness);
    variance /= static_cast<double>(kCells);
    const float moved = kept_.empty() ? 1.0f : moved_share();
    return {static_cast<float>(brightness), static_cast<float>(std::sqrt(variance)), moved};
}

float LumaGate::moved_share() {
    // Least squares of cells = gain * kept + offset: what exposure did to the whole picture.
    const double mean_now = mean(cells_);
    const double mean_kept = mean(kept_);
    double covariance = 0;
    double variance = 0;
    for (std::size_t i = 0; i < kCells; ++i) {
        covariance += (kept_[i] - mean_kept) * (cells_[i] - mean_now);
        variance += (kept_[i] - mean_kept) * (kept_[i] - mean_kept);
    }
    // A flat picture says nothing about the gain. Neither does one that has little to do with the
    // kept one: a gain far from one is another scene, not another exposure.
    const double gain =
        variance > static_cast<double>(kCells) ? std::clamp(covariance / variance, 0.5, 2.0) : 1.0;
    residuals_.resize(kCells);
    for (std::size_t i = 0; i < kCells; ++i) {
        residuals_[i] =
            static_cast<float>(std::abs(cells_[i] - mean_now - gain * (kept_[i] - mean_kept)));
    }
    ordered_ = residuals_;
    const auto quiet = ordered_.begin() + static_cast<std::ptrdiff_t>(kQuietShare * kCells);
    std::nth_element(ordered_.begin(), quiet, ordered_.end());
    const float noise = *quiet / kQuietDeviations;
    const float limit = std::clamp(kNoiseFactor * noise, kLeastChange, kMostNoise);
    const auto moved =
        std::count_if(residuals_.begin(), residuals_.end(), [&](float r) { return r > limit; });
    return static_cast<float>(moved) / static_cast<float>(kCells);
}

void LumaGate::keep() { kept_ = cells_; }

void LumaGate::forget() { kept_.clear(); }

}  // namespace facectrl
