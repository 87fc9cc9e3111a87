// Follows a box from frame to frame by normalised cross-correlation of coarse luma patches.
//
// The box's luma is kept as a small grid of cell means. In a later frame the same grid, twice as
// wide and high around the last place, is searched for it. Light that changes for the whole face
// cancels out; what the face has become unlike to is told by the similarity.
#pragma once

#include <vector>

#include "pixel_format.hpp"
#include "preprocess.hpp"

namespace facectrl {

struct TemplateFind {
    Box box;      // of the size that was given, in pixels of the frame
    float similarity;  // correlation, -1..1; 0 where the frame is flat
};

class TemplateMatch {
public:
    static constexpr int kColumns = 16;
    static constexpr int kRows = 20;
    static constexpr int kSamples = 2;  // a side, per cell

    // Keeps what is in the box, of which a part may lie outside of the frame. Throws
    // std::invalid_argument where a side is not positive.
    void start(const ImageView& image, const Box& box);
    // Where it is most similar, within half of the box's sides of its last place; that is its
    // last place from then on. Throws std::logic_error before `start`.
    TemplateFind update(const ImageView& image);

private:
    static constexpr int kMarginX = kColumns / 2;
    static constexpr int kMarginY = kRows / 2;
    static constexpr int kSearchColumns = kColumns + 2 * kMarginX;
    static constexpr int kSearchRows = kRows + 2 * kMarginY;
    static constexpr int kShiftsX = 2 * kMarginX + 1;
    static constexpr int kShiftsY = 2 * kMarginY + 1;

    void correlate();

    Box box_{};
    std::vector<float> template_;  // its mean taken out
    float template_norm_ = 0;
    std::vector<float> search_;
    std::vector<float> similarities_;  // kShiftsY x kShiftsX
};

}  // namespace facectrl
