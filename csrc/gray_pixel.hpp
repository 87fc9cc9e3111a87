// One pixel to gray, 0..255, as gray_row.hpp defines it. Not for files compiled with wide flags.
#pragma once

#include <algorithm>
#include <cstdint>

namespace facectrl {

inline float bgr_gray(const std::uint8_t* p) {
    return 0.114f * static_cast<float>(p[0]) + 0.587f * static_cast<float>(p[1]) +
           0.299f * static_cast<float>(p[2]);
}

inline float full_gray(const std::uint8_t* p) { return static_cast<float>(*p); }

inline float limited_gray(const std::uint8_t* p) {
    return std::clamp((static_cast<float>(*p) - 16.0f) * (255.0f / 219.0f), 0.0f, 255.0f);
}

// UYVY: the luma is the second byte of its pixel.
inline float limited_gray_second(const std::uint8_t* p) { return limited_gray(p + 1); }

}  // namespace facectrl
