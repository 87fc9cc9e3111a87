// Did anything in the scene move since the frame that was analysed last?
//
// The frame's luma is sampled into a coarse grid of cell means. A change of brightness or contrast
// of the whole picture (automatic exposure, a lamp) is fitted and taken out; what is left in each
// cell is held against the noise of the picture itself.
#pragma once

#include <vector>

#include "pixel_format.hpp"

namespace facectrl {

struct SceneChange {
    float brightness;   // mean luma, 0..255
    float contrast;     // standard deviation of the cells, 0..255
    float moved_share;  // cells that changed more than noise explains, 0..1; 1 without a reference
};

class LumaGate {
public:
    static constexpr int kColumns = 32;
    static constexpr int kRows = 24;
    static constexpr int kSamples = 4;  // a side, per cell
    static constexpr float kLeastChange = 5.0f;   // luma; less is never motion
    static constexpr float kMostNoise = 20.0f;    // luma; more is always motion
    static constexpr float kNoiseFactor = 5.0f;   // standard deviations of the noise

    // Compares with the frame kept last. Throws std::invalid_argument on frames smaller than the
    // grid.
    SceneChange compare(const ImageView& image);
    // Makes the frame compared last the one to compare with.
    void keep();
    void forget();

private:
    using Cells = std::vector<float>;

    void sample(const ImageView& image);
    float moved_share();

    Cells cells_;
    Cells kept_;
    Cells residuals_;
    Cells ordered_;
};

}  // namespace facectrl
