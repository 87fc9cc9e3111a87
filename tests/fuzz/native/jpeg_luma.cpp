// Any bytes as a camera's MJPEG frame: decoded within the output, or refused, each time alike.
#include "jpeg_luma.hpp"

#include "bytes.hpp"

using namespace facectrl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Bytes bytes(data, size);
    const int shrink = 1 << bytes.between(0, 3);
    const int width = bytes.between(1, 96), height = bytes.between(1, 64);
    const std::vector<std::uint8_t> jpeg = bytes.some(bytes.left());
    const auto shrunk = [shrink](int side) {
        return static_cast<std::size_t>((side + shrink - 1) / shrink);
    };
    // Exactly as large as promised, so that the sanitizer sees each byte beyond.
    std::vector<std::uint8_t> out(shrunk(width) * shrunk(height));
    std::vector<std::uint8_t> again(out.size());
    JpegLuma decoder, other;
    const bool good = decoder.decode(jpeg.data(), jpeg.size(), width, height, shrink, out.data());
    const bool also = other.decode(jpeg.data(), jpeg.size(), width, height, shrink, again.data());
    MUST_HOLD(good == also);
    MUST_HOLD(!good || out == again);
    // Tables of one picture serve the next, which may have none: it need not look the same.
    decoder.decode(jpeg.data(), jpeg.size(), width, height, shrink, again.data());
    return 0;
}
