#include "look_bindings.hpp"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <array>
#include <cmath>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "box_decode.hpp"
#include "checked_arguments.hpp"
#include "look.hpp"

namespace py = pybind11;

namespace facectrl {
namespace {

using FloatArray = py::array_t<float, py::array::c_style>;

// A box, as x, y, width, height, and its score.
using Found = std::pair<std::tuple<float, float, float, float>, float>;

Found as_found(const ScoredBox& box) { return {{box.x, box.y, box.width, box.height}, box.score}; }

std::vector<Found> as_found(const std::vector<ScoredBox>& boxes) {
    std::vector<Found> found;
    found.reserve(boxes.size());
    for (const ScoredBox& box : boxes) found.push_back(as_found(box));
    return found;
}

// Knows a detector's anchors; the outputs come one a level.
class BoxDecoder {
public:
    BoxDecoder(const std::vector<std::pair<int, std::vector<std::pair<float, float>>>>& levels,
               float least_score, float most_overlap)
        : least_score_(least_score), most_overlap_(most_overlap) {
        if (!(least_score > 0 && least_score < 1)) {
            throw py::value_error("least_score: must lie between 0 and 1");
        }
        if (!(most_overlap >= 0 && most_overlap <= 1)) {
            throw py::value_error("most_overlap: must be 0 to 1");
        }
        for (const auto& [stride, shapes] : levels) {
            Level level{stride, {}};
            for (const auto& [width, height] : shapes) {
                const bool usable = width > 0 && height > 0 && width <= 16384 && height <= 16384;
                if (!usable) throw py::value_error("levels: anchors must be 0 to 16384 pixels");
                level.anchors.push_back({width, height});
            }
            if (stride < 1 || stride > 16384 || level.anchors.empty()) {
                throw py::value_error(
                    "levels: each is a stride and its anchors' widths and heights");
            }
            levels_.push_back(std::move(level));
        }
    }

    // Best first, in pixels of the input.
    std::vector<ScoredBox> decode(const std::vector<FloatArray>& outputs) const {
        if (outputs.size() != levels_.size()) {
            throw py::value_error("outputs: must be one for each level");
        }
        std::vector<AnchorGrid> grids;
        for (std::size_t i = 0; i < levels_.size(); ++i) {
            grids.push_back(grid(levels_[i], outputs[i]));
        }
        std::vector<ScoredBox> boxes;
        // Safe: `outputs` keeps the arrays alive, and nothing else is touched.
        const py::gil_scoped_release unlocked;
        for (const AnchorGrid& each : grids) decode_boxes(each, least_score_, boxes);
        return suppress_overlaps(std::move(boxes), most_overlap_);
    }

private:
    struct Level {
        int stride;
        std::vector<AnchorShape> anchors;
    };

    static AnchorGrid grid(const Level& level, const FloatArray& output) {
        const auto anchors = static_cast<py::ssize_t>(level.anchors.size());
        if (output.ndim() != 4 || output.shape(0) != 1 || output.shape(1) != 5 * anchors ||
            output.size() > 1 << 26) {
            throw py::value_error("outputs: shapes must be (1, 5 anchors, rows, columns)");
        }
        return {output.data(), static_cast<int>(output.shape(2)),
                static_cast<int>(output.shape(3)), level.stride, &level.anchors};
    }

    std::vector<Level> levels_;
    float least_score_;
    float most_overlap_;
};

// Shows a network parts of pictures. In one call, since where caches are cold, Python code between
// the steps takes as long as one of them.
class AnchorLooks {
public:
    // `input`: for rows and columns a BoundInput. `fill`: writes a part of a picture to its array,
    // in place of gray values.
    AnchorLooks(BoxDecoder decoder, py::function input, std::optional<py::function> fill,
                int multiple, double most_pixels, double most_side, int rows_read)
        : decoder_(std::move(decoder)),
          input_(std::move(input)),
          fill_(std::move(fill)),
          limits_{multiple, most_pixels, most_side},
          rows_read_(rows_read) {
        if (multiple < 1 || multiple > 4096 || rows_read < 1 || rows_read > 4096) {
            throw py::value_error("multiple, rows_read: must be 1 to 4096");
        }
        if (!(most_pixels >= 1 && most_pixels <= 1 << 24 && most_side >= 1 && most_side <= 4096)) {
            throw py::value_error("most_pixels, most_side: must be 1 to 2**24, and to 4096");
        }
    }

    std::pair<int, int> fitting(double rows, double columns) const {
        if (!(rows > 0 && columns > 0 && std::isfinite(rows * columns))) {
            throw py::value_error("rows, columns: must be positive");
        }
        const InputSize size = facectrl::fitting(rows, columns, limits_);
        return {size.rows, size.columns};
    }

    // All of the picture, in an input of that size. Best first, in pixels of the picture.
    std::vector<Found> search(const py::array& image, PixelFormat format, int rows,
                              int columns) const {
        const ImageView view = view_of(image, format);
        return as_found(found(image, view, {{0, 0, view.width, view.height}, {rows, columns}}));
    }

    // What is around a box: its sides grow by the expansion, half on each side, and it gets `face`
    // rows of the input, or is enlarged so many times at most. The best of what overlaps with it by
    // `same`, as intersection over union.
    std::optional<Found> look_closely(const py::array& image, PixelFormat format,
                                      const std::array<double, 4>& box, double face,
                                      double most_enlarged, const std::array<double, 2>& expansion,
                                      float same) const {
        const ImageView view = view_of(image, format);
        const Box doubtful = checked_box(box);
        if (!(face > 0 && face <= 1e6 && most_enlarged > 0 && most_enlarged <= 1e6)) {
            throw py::value_error("face, most_enlarged: must be positive, and a million at most");
        }
        const CloseLook how{checked_expansion(expansion, "relative"), face, most_enlarged};
        const auto look = close_look_at(doubtful, view.width, view.height, how, limits_);
        if (!look) return std::nullopt;
        const auto [x, y, width, height] = doubtful;
        const ScoredBox known{static_cast<float>(x), static_cast<float>(y),
                              static_cast<float>(width), static_cast<float>(height), 0};
        for (const ScoredBox& each : found(image, view, *look)) {  // best first
            if (intersection_over_union(each, known) >= same) return as_found(each);
        }
        return std::nullopt;
    }

private:
    // Best first, in pixels of the picture.
    std::vector<ScoredBox> found(const py::array& image, const ImageView& view,
                                 const Look& look) const {
        const auto& [part, size] = look;
        const py::object input = input_(size.rows, size.columns);
        const py::object given = input.attr("array");
        if (!py::isinstance<py::array>(given)) throw py::type_error("input: array is none");
        py::array array(given);
        if (fill_) {
            (*fill_)(array, image, view.format,
                     py::make_tuple(part.x, part.y, part.width, part.height));
        } else {
            const Target target = checked_target(array);
            if (target.height != size.rows || target.width != size.columns) {
                throw py::value_error("input: has another size");
            }
            // Safe: `image` and `array` are alive until we return; an input is one thread's.
            const py::gil_scoped_release unlocked;
            show(view, look, rows_read_, target.data);
        }
        const auto outputs = input.attr("run")().cast<std::vector<FloatArray>>();
        // Both ways by what it was shrunk by, which rounding to whole cells makes differ a little.
        const float across = static_cast<float>(part.width) / static_cast<float>(size.columns);
        const float down = static_cast<float>(part.height) / static_cast<float>(size.rows);
        std::vector<ScoredBox> boxes = decoder_.decode(outputs);
        for (ScoredBox& box : boxes) {
            box.x = static_cast<float>(part.x) + across * box.x;
            box.y = static_cast<float>(part.y) + down * box.y;
            box.width *= across;
            box.height *= down;
        }
        return boxes;
    }

    BoxDecoder decoder_;
    py::function input_;
    std::optional<py::function> fill_;
    InputLimits limits_;
    int rows_read_;
};

}  // namespace

void bind_looks(py::module_& module) {
    py::class_<BoxDecoder>(module, "BoxDecoder")
        .def(py::init<const std::vector<std::pair<int, std::vector<std::pair<float, float>>>>&,
                      float, float>(),
             py::arg("levels"), py::arg("least_score"), py::arg("most_overlap"))
        .def(
            "decode",
            [](const BoxDecoder& decoder, const std::vector<FloatArray>& outputs) {
                return as_found(decoder.decode(outputs));
            },
            py::arg("outputs"));

    py::class_<AnchorLooks>(module, "AnchorLooks")
        .def(py::init<BoxDecoder, py::function, std::optional<py::function>, int, double, double,
                      int>(),
             py::arg("decoder"), py::arg("input"), py::arg("fill"), py::arg("multiple"),
             py::arg("most_pixels"), py::arg("most_side"), py::arg("rows_read"))
        .def("fitting", &AnchorLooks::fitting, py::arg("rows"), py::arg("columns"))
        .def("search", &AnchorLooks::search, py::arg("image"), py::arg("pixel_format"),
             py::arg("rows"), py::arg("columns"))
        .def("look_closely", &AnchorLooks::look_closely, py::arg("image"), py::arg("pixel_format"),
             py::arg("box"), py::arg("face"), py::arg("most_enlarged"), py::arg("expansion"),
             py::arg("same"));
}

}  // namespace facectrl
