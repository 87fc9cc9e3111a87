// Pixel formats of frames and a non-owning view of one frame.
#pragma once

#include <cstddef>
#include <cstdint>

namespace facectrl {

enum class PixelFormat : std::uint8_t { BGR24, GRAY8, YUYV, UYVY, NV12 };

// Bytes between horizontally neighbouring luma samples (for BGR24: pixels).
constexpr std::size_t bytes_per_pixel(PixelFormat format) {
    switch (format) {
    case PixelFormat::BGR24: return 3;
    case PixelFormat::YUYV:
    case PixelFormat::UYVY: return 2;
    case PixelFormat::GRAY8:
    case PixelFormat::NV12: return 1;
    }
    return 1;
}

// A frame somebody else owns. `stride` is the distance between rows in bytes and may be
// negative. For NV12 only the luma plane is described: the program never needs chroma.
struct ImageView {
    const std::uint8_t* data = nullptr;
    int width = 0;
    int height = 0;
    std::ptrdiff_t stride = 0;
    PixelFormat format = PixelFormat::GRAY8;

    const std::uint8_t* row(int y) const { return data + y * stride; }
};

}  // namespace facectrl
