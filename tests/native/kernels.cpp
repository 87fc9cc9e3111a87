// Runs the kernels on frames that end exactly where their memory ends, in two threads at once: under
// AddressSanitizer any load or store outside ends the program, under ThreadSanitizer whatever two
// calls share.
#include <array>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "box_decode.hpp"
#include "gate.hpp"
#include "look.hpp"
#include "preprocess.hpp"
#include "template_match.hpp"

using namespace facectrl;

namespace {

bool all_kernels() {
    std::vector<const GrayRowKernels*> kernels{&portable_gray_rows()};
    if (avx2_gray_rows() != nullptr) kernels.push_back(avx2_gray_rows());
    const PixelFormat formats[] = {PixelFormat::BGR24, PixelFormat::GRAY8, PixelFormat::YUYV,
                                   PixelFormat::UYVY, PixelFormat::NV12};
    for (PixelFormat format : formats) {
        for (int width = 1; width <= 70; ++width) {
            const int height = 3;
            const std::size_t row = bytes_per_pixel(format) * static_cast<std::size_t>(width);
            // A heap block of its own for each frame: its end is guarded.
            const auto memory = std::make_unique<std::uint8_t[]>(row * height);
            const ImageView image{memory.get(), width, height, static_cast<std::ptrdiff_t>(row),
                                  format};
            for (const GrayRowKernels* rows : kernels) {
                for (Resampling resampling : {Resampling::Bilinear, Resampling::Area}) {
                    for (int x = 0; x < width; x += 7) {
                        const PixelRect crop = expanded_crop({double(x), 0, double(width - x), 3},
                                                             {true, 0, 0}, width, height);
                        for (int columns : {13, 16}) {
                            const auto size = static_cast<std::size_t>(columns) * 9;
                            const auto out = std::make_unique<float[]>(size);
                            resize_gray(image, crop, resampling, *rows, out.get(), columns, 9);
                        }
                    }
                }
            }
        }
        const std::size_t row = bytes_per_pixel(format) * 33;
        const auto memory = std::make_unique<std::uint8_t[]>(row * 25);
        const ImageView image{memory.get(), 33, 25, static_cast<std::ptrdiff_t>(row), format};
        LumaGate gate;
        gate.compare(image);
        gate.keep();
        gate.compare(image);
        // Of three rows the middle one is read, and of the 25th, alone, none.
        const auto some = std::make_unique<float[]>(8 * 8);
        show(image, {{0, 0, 33, 25}, {8, 8}}, 1, some.get());
        // Boxes that lie inside, over each edge, and outside.
        for (const Box& box : {Box{5, 5, 12, 15}, Box{-8, -9, 20, 20}, Box{25, 18, 30, 30},
                               Box{-90, 200, 8, 8}}) {
            TemplateMatch match;
            match.start(image, box);
            match.update(image);
            const auto look =
                close_look_at(box, image.width, image.height, {{true, 0.5, 0.5}, 6, 2}, {8, 9e4, 96});
            if (look.has_value() != (box.x > -90)) return false;
            if (!look) continue;
            for (int rows_read : {1, 100}) {  // some rows of the picture, and all
                const InputSize& size = look->size;
                const auto out = std::make_unique<float[]>(
                    static_cast<std::size_t>(size.rows) * static_cast<std::size_t>(size.columns));
                show(image, *look, rows_read, out.get());
            }
        }
    }
    // Each output in a block of its own, of all shapes up to a few cells.
    const std::vector<AnchorShape> anchors{{14, 18}, {22, 30}};
    for (int rows = 1; rows <= 5; ++rows) {
        for (int columns = 1; columns <= 5; ++columns) {
            const auto plane = static_cast<std::size_t>(rows * columns);
            const auto planes = std::make_unique<float[]>(10 * plane);
            std::vector<ScoredBox> boxes;
            decode_boxes({planes.get(), rows, columns, 8, &anchors}, 0.4f, boxes);
            if (suppress_overlaps(boxes, 1.0f).size() != 2 * plane) return false;
        }
    }
    return true;
}

}  // namespace

int main() {
    std::array<bool, 2> right{};
    {
        std::vector<std::thread> threads;
        for (bool& each : right) threads.emplace_back([&each] { each = all_kernels(); });
        for (std::thread& thread : threads) thread.join();
    }
    if (!right[0] || !right[1]) return 1;
    std::puts("done");
}
