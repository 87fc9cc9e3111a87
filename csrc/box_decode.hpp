// From a face detector's outputs to boxes: anchors that score high enough, moved by their offsets,
// without those that a better one covers.
#pragma once

#include <cstddef>
#include <vector>

namespace facectrl {

struct AnchorShape {
    float width, height;  // pixels of the network's input
};

// One output of the network: for each anchor of a cell a plane of logits; then, for each of them,
// four planes of offsets (centre x, centre y, width, height).
struct AnchorGrid {
    const float* planes;  // 5 anchors x rows x columns
    int rows;
    int columns;
    int stride;  // pixels of the network's input from cell to cell
    const std::vector<AnchorShape>* anchors;
};

struct ScoredBox {
    float x, y, width, height;  // pixels
    float score;                // 0..1
};

float intersection_over_union(const ScoredBox& a, const ScoredBox& b);

// An offset of one moves the centre by this share of the anchor's side.
constexpr float kCentreStep = 0.1f;
// An offset of one makes the side exp(this) times the anchor's.
constexpr float kSizeStep = 0.2f;

// Adds the boxes of a grid, in pixels of the network's input, that score at least `least_score`,
// which lies between 0 and 1. Outputs that are not numbers score nothing.
void decode_boxes(const AnchorGrid& grid, float least_score, std::vector<ScoredBox>& boxes);

// Boxes that are looked at, the best ones: a network that sees faces everywhere must not take long.
constexpr std::size_t kMostCandidates = 2000;

// Best first, and none that overlaps with a better one by more than `most_overlap`, as intersection
// over union.
std::vector<ScoredBox> suppress_overlaps(std::vector<ScoredBox> boxes, float most_overlap);

}  // namespace facectrl
