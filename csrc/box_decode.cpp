#include "box_decode.hpp"

#include <algorithm>
#include <cmath>

namespace facectrl {
namespace {

// A wild offset must not become an endless side, nor lead out of all pictures.
constexpr float kMostGrowth = 3.0f;
constexpr float kFarthest = 1e6f;

float side(float anchor, float offset) {
    return anchor * std::exp(std::clamp(kSizeStep * offset, -kMostGrowth, kMostGrowth));
}

// What is not a number is not.
bool is_usable(const ScoredBox& box) {
    return std::abs(box.x) <= kFarthest && std::abs(box.y) <= kFarthest &&
           std::isfinite(box.width) && std::isfinite(box.height);
}

}  // namespace

float intersection_over_union(const ScoredBox& a, const ScoredBox& b) {
    const float width = std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x);
    const float height = std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y);
    if (width <= 0 || height <= 0) return 0;
    const float shared = width * height;
    return shared / (a.width * a.height + b.width * b.height - shared);
}

void decode_boxes(const AnchorGrid& grid, float least_score, std::vector<ScoredBox>& boxes) {
    // Compared before the logistic function, which hardly any cell needs then.
    const float least_logit = std::log(least_score / (1 - least_score));
    const auto plane = static_cast<std::size_t>(grid.rows) * static_cast<std::size_t>(grid.columns);
    const float* logits = grid.planes;
    const float* offsets = logits + grid.anchors->size() * plane;
    for (const AnchorShape& anchor : *grid.anchors) {
        for (std::size_t cell = 0; cell < plane; ++cell) {
            const float logit = logits[cell];
            if (!(logit >= least_logit)) continue;
            const auto row = static_cast<int>(cell) / grid.columns;
            const auto column = static_cast<int>(cell) % grid.columns;
            const auto middle = [&](int place) {
                return (static_cast<float>(place) + 0.5f) * static_cast<float>(grid.stride);
            };
            const float* offset = offsets + cell;
            ScoredBox box;
            box.width = side(anchor.width, offset[2 * plane]);
            box.height = side(anchor.height, offset[3 * plane]);
            box.x = middle(column) + kCentreStep * offset[0] * anchor.width - box.width / 2;
            box.y = middle(row) + kCentreStep * offset[plane] * anchor.height - box.height / 2;
            box.score = 1 / (1 + std::exp(-logit));
            if (is_usable(box)) boxes.push_back(box);
        }
        logits += plane;
        offsets += 4 * plane;
    }
}

std::vector<ScoredBox> suppress_overlaps(std::vector<ScoredBox> boxes, float most_overlap) {
    std::stable_sort(boxes.begin(), boxes.end(),
                     [](const ScoredBox& a, const ScoredBox& b) { return a.score > b.score; });
    if (boxes.size() > kMostCandidates) boxes.resize(kMostCandidates);
    std::vector<ScoredBox> kept;
    for (const ScoredBox& box : boxes) {
        const bool covered = std::any_of(kept.begin(), kept.end(), [&](const ScoredBox& better) {
            return intersection_over_union(box, better) > most_overlap;
        });
        if (!covered) kept.push_back(box);
    }
    return kept;
}

}  // namespace facectrl
