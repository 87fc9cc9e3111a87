// A network may give anything: boxes are numbers, best first, and do not overlap more than allowed.
#include "box_decode.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "bytes.hpp"

using namespace facectrl;

namespace {

float overlap(const ScoredBox& a, const ScoredBox& b) {
    const float across = std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x);
    const float down = std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y);
    if (across <= 0 || down <= 0) return 0;
    const float shared = across * down;
    return shared / (a.width * a.height + b.width * b.height - shared);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Bytes bytes(data, size);
    std::vector<AnchorShape> anchors;
    for (int k = bytes.between(1, 4); k > 0; --k) {
        anchors.push_back({static_cast<float>(bytes.between(1, 300)),
                           static_cast<float>(bytes.between(1, 300))});
    }
    const int rows = bytes.between(1, 12), columns = bytes.between(1, 12);
    const float least = static_cast<float>(bytes.between(1, 99)) / 100;
    const float most = static_cast<float>(bytes.between(0, 100)) / 100;
    const auto plane = static_cast<std::size_t>(rows * columns) * anchors.size();
    const auto planes = std::make_unique<float[]>(5 * plane);
    for (std::size_t i = 0; i < 5 * plane; ++i) planes[i] = bytes.take<float>();
    std::vector<ScoredBox> boxes;
    decode_boxes({planes.get(), rows, columns, 8, &anchors}, least, boxes);
    MUST_HOLD(boxes.size() <= plane);
    for (const ScoredBox& box : boxes) {
        for (float value : {box.x, box.y, box.width, box.height}) MUST_HOLD(std::isfinite(value));
        MUST_HOLD(box.width > 0 && box.height > 0);
        MUST_HOLD(box.score >= least * 0.999f && box.score <= 1);
    }
    const std::vector<ScoredBox> kept = suppress_overlaps(boxes, most);
    MUST_HOLD(kept.size() <= boxes.size() && kept.empty() == boxes.empty());
    for (std::size_t i = 0; i < kept.size(); ++i) {
        if (i > 0) MUST_HOLD(kept[i - 1].score >= kept[i].score);
        for (std::size_t j = 0; j < i; ++j) {
            const float share = overlap(kept[j], kept[i]);
            MUST_HOLD(!(share > most + 1e-3f));
        }
    }
    return 0;
}
