// Runs one kernel a fixed number of times on a fixed picture, for callgrind to count.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "box_decode.hpp"
#include "gate.hpp"
#include "preprocess.hpp"
#include "template_match.hpp"

using namespace facectrl;

namespace {

constexpr int kWidth = 640, kHeight = 480, kTimes = 5;

// Random bytes, over and over: to make all of them anew would take more than what is counted.
std::vector<std::uint8_t> picture(std::size_t bytes) {
    constexpr std::size_t kRandom = 4099;
    std::vector<std::uint8_t> made(bytes);
    std::uint32_t state = 1;
    for (std::size_t i = 0; i < kRandom; ++i) {
        state = state * 1664525u + 1013904223u;
        made[i] = static_cast<std::uint8_t>(state >> 24);
    }
    for (std::size_t i = kRandom; i < bytes; i += kRandom) {
        std::memcpy(&made[i], made.data(), std::min(kRandom, bytes - i));
    }
    return made;
}

ImageView view(const std::vector<std::uint8_t>& memory, PixelFormat format) {
    const auto stride = static_cast<std::ptrdiff_t>(bytes_per_pixel(format) * kWidth);
    return {memory.data(), kWidth, kHeight, stride, format};
}

constexpr Box kLargeFace{200, 100, 180, 230}, kSmallFace{200, 100, 45, 60};

void crop(PixelFormat format, Resampling resampling, const GrayRowKernels& rows,
          const Box& face = kLargeFace) {
    const auto memory = picture(bytes_per_pixel(format) * kWidth * kHeight);
    std::vector<float> out(64 * 64);
    const PixelRect part = expanded_crop(face, {true, 0.9, 0.9}, kWidth, kHeight);
    for (int i = 0; i < kTimes; ++i) {
        resize_gray(view(memory, format), part, resampling, rows, out.data(), 64, 64);
    }
}

const GrayRowKernels& wide() {
    return avx2_gray_rows() != nullptr ? *avx2_gray_rows() : portable_gray_rows();
}

void gate() {
    const auto memory = picture(kWidth * kHeight);
    LumaGate moved;
    for (int i = 0; i < kTimes; ++i) {
        moved.compare(view(memory, PixelFormat::GRAY8));
        moved.keep();
    }
}

void follow() {
    const auto memory = picture(kWidth * kHeight);
    TemplateMatch match;
    match.start(view(memory, PixelFormat::GRAY8), kLargeFace);
    for (int i = 0; i < kTimes; ++i) match.update(view(memory, PixelFormat::GRAY8));
}

void decode() {
    const std::vector<AnchorShape> anchors{{12, 16}, {20, 26}, {31, 41}};
    constexpr std::size_t kLogits = 3 * 24 * 18;
    std::vector<float> planes(5 * kLogits, 0.1f);
    for (std::size_t i = 0; i < kLogits; ++i) planes[i] = i % 40 == 0 ? 1.0f : -5.0f;
    for (int i = 0; i < kTimes; ++i) {
        std::vector<ScoredBox> boxes;
        decode_boxes({planes.data(), 18, 24, 8, &anchors}, 0.4f, boxes);
        suppress_overlaps(boxes, 0.3f);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::map<std::string, std::function<void()>> kernels{
        {"crop of BGR by area",
         [] { crop(PixelFormat::BGR24, Resampling::Area, portable_gray_rows()); }},
        {"crop of BGR by area, wide", [] { crop(PixelFormat::BGR24, Resampling::Area, wide()); }},
        {"crop of YUYV by area, wide", [] { crop(PixelFormat::YUYV, Resampling::Area, wide()); }},
        {"small crop of gray by area, wide",
         [] { crop(PixelFormat::GRAY8, Resampling::Area, wide(), kSmallFace); }},
        {"crop of gray, bilinear, wide",
         [] { crop(PixelFormat::GRAY8, Resampling::Bilinear, wide()); }},
        {"gate", gate},
        {"template match", follow},
        {"box decode", decode},
        {"nothing", [] {}},
    };
    if (argc == 1) {
        for (const auto& [name, run] : kernels) std::puts(name.c_str());
        return 0;
    }
    const auto chosen = kernels.find(argv[1]);
    if (chosen == kernels.end()) return 1;
    chosen->second();
    return 0;
}
