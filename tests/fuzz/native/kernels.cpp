// Frames and boxes of all kinds through what looks at pixels: within the memory, the wide
// implementation alike the plain one, and numbers in their ranges.
#include <cmath>
#include <memory>
#include <stdexcept>

#include "bytes.hpp"
#include "gate.hpp"
#include "look.hpp"
#include "preprocess.hpp"
#include "template_match.hpp"

using namespace facectrl;

namespace {

// Mostly about the frame, at times far beyond.
double coordinate(Bytes& bytes) {
    const double scale = bytes.between(0, 7) == 0 ? 1e6 : 1.0 / 256;
    return scale * bytes.take<std::int16_t>();
}

void resample(const ImageView& image, const Box& box, Bytes& bytes) {
    const Expansion expansion{bytes.between(0, 1) == 1, bytes.between(0, 64) / 16.0,
                              bytes.between(0, 64) / 16.0};
    const Resampling resampling =
        bytes.between(0, 1) == 1 ? Resampling::Area : Resampling::Bilinear;
    PixelRect crop{};
    try {
        crop = expanded_crop(box, expansion, image.width, image.height);
    } catch (const std::invalid_argument&) {
        return;  // nothing of it lies inside
    }
    MUST_HOLD(crop.x >= 0 && crop.width >= 1 && crop.x + crop.width <= image.width);
    MUST_HOLD(crop.y >= 0 && crop.height >= 1 && crop.y + crop.height <= image.height);
    const int width = bytes.between(1, 40), height = bytes.between(1, 40);
    const auto count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
    const auto plain = std::make_unique<float[]>(count);
    resize_gray(image, crop, resampling, portable_gray_rows(), plain.get(), width, height);
    for (std::size_t i = 0; i < count; ++i) MUST_HOLD(plain[i] >= 0 && plain[i] <= 1.0001f);
    if (avx2_gray_rows() == nullptr) return;
    const auto wide = std::make_unique<float[]>(count);
    resize_gray(image, crop, resampling, *avx2_gray_rows(), wide.get(), width, height);
    for (std::size_t i = 0; i < count; ++i) MUST_HOLD(std::abs(plain[i] - wide[i]) < 1e-4f);
}

void look_closely(const ImageView& image, const Box& box, Bytes& bytes) {
    const Expansion expansion{true, bytes.between(0, 64) / 16.0, bytes.between(0, 64) / 16.0};
    const CloseLook how{expansion, static_cast<double>(bytes.between(1, 300)),
                        bytes.between(1, 255) / 16.0};
    const InputLimits limits{bytes.between(1, 32), 4000, 100};
    const auto look = close_look_at(box, image.width, image.height, how, limits);
    if (!look) return;
    const auto& [part, size] = *look;
    MUST_HOLD(part.x >= 0 && part.width >= 1 && part.x + part.width <= image.width);
    MUST_HOLD(part.y >= 0 && part.height >= 1 && part.y + part.height <= image.height);
    for (int side : {size.rows, size.columns}) {
        MUST_HOLD(side >= 1 && side <= limits.most_side && side % limits.multiple == 0);
    }
    const auto count = static_cast<std::size_t>(size.rows) * static_cast<std::size_t>(size.columns);
    const auto out = std::make_unique<float[]>(count);
    show(image, *look, bytes.between(1, 4), out.get());
    for (std::size_t i = 0; i < count; ++i) MUST_HOLD(out[i] >= 0 && out[i] <= 1.0001f);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Bytes bytes(data, size);
    const auto format = static_cast<PixelFormat>(bytes.between(0, 4));
    const int width = bytes.between(1, 80), height = bytes.between(1, 60);
    const Box first{coordinate(bytes), coordinate(bytes), coordinate(bytes), coordinate(bytes)};
    const Box second{coordinate(bytes), coordinate(bytes), coordinate(bytes), coordinate(bytes)};
    Bytes choices = bytes;
    const std::vector<std::uint8_t> pattern = bytes.some(bytes.left());
    const std::size_t row = bytes_per_pixel(format) * static_cast<std::size_t>(width);
    // Two pixels of YUYV share their colour: rows are even.
    const std::size_t rows = row * static_cast<std::size_t>(height);
    const auto memory = std::make_unique<std::uint8_t[]>(rows);
    for (std::size_t i = 0; i < rows && !pattern.empty(); ++i) {
        memory[i] = pattern[i % pattern.size()];
    }
    const ImageView image{memory.get(), width, height, static_cast<std::ptrdiff_t>(row), format};
    if (first.width > 0 && first.height > 0) {
        resample(image, first, choices);
        look_closely(image, first, choices);
    }
    if (width >= LumaGate::kColumns && height >= LumaGate::kRows) {
        LumaGate gate;
        for (int k = 0; k < 2; ++k) {
            const SceneChange change = gate.compare(image);
            MUST_HOLD(change.moved_share >= 0 && change.moved_share <= 1);
            MUST_HOLD(change.brightness >= 0 && change.brightness <= 255.01f);
            gate.keep();
            if (k == 1) MUST_HOLD(change.moved_share == 0);  // the same frame
        }
    }
    for (const Box& box : {first, second}) {
        if (!(box.width > 0 && box.height > 0)) continue;
        TemplateMatch match;
        match.start(image, box);
        const TemplateFind found = match.update(image);
        MUST_HOLD(found.similarity >= -1 && found.similarity <= 1);
        MUST_HOLD(found.box.width == box.width && found.box.height == box.height);
    }
    return 0;
}
