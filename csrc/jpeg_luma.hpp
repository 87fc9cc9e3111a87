// JPEG to luma only: colour is never computed, and what is shrunk is shrunk before the inverse
// transform.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace facectrl {

// One decoder's state, for one thread, used again for each picture.
class JpegLuma {
public:
    JpegLuma();
    ~JpegLuma();
    JpegLuma(const JpegLuma&) = delete;
    JpegLuma& operator=(const JpegLuma&) = delete;

    // Decodes to `out`: ceil(height / shrink) rows of ceil(width / shrink) bytes, full range.
    // shrink is 1, 2, 4 or 8. False where the picture is broken, cut off, or of another size; what
    // is in `out` then is of no use.
    bool decode(const std::uint8_t* jpeg, std::size_t bytes, int width, int height, int shrink,
                std::uint8_t* out);

private:
    struct State;
    const std::unique_ptr<State> state_;
};

}  // namespace facectrl
