#include "checked_arguments.hpp"

#include <cmath>

namespace py = pybind11;

namespace facectrl {

ImageView view_of(const py::array& image, PixelFormat format) {
    if (!image.dtype().equal(py::dtype::of<std::uint8_t>())) {
        throw py::value_error("image: dtype must be uint8");
    }
    const int depth = static_cast<int>(bytes_per_pixel(format));
    const py::ssize_t dimensions = depth == 1 ? 2 : 3;
    if (image.ndim() != dimensions || (depth > 1 && image.shape(2) != depth)) {
        throw py::value_error("image: shape must be " + std::string(depth == 1 ? "(rows, width)" : "") +
                              (depth > 1 ? "(height, width, " + std::to_string(depth) + ")" : "") +
                              " for this pixel format");
    }
    if (image.shape(0) == 0 || image.shape(1) == 0) throw py::value_error("image: is empty");
    if (image.shape(0) > 24576 || image.shape(1) > 16384) {
        throw py::value_error("image: is larger than 16384 x 16384 pixels");
    }
    const bool packed = (image.shape(1) == 1 || image.strides(1) == depth) &&
                        (depth == 1 || image.strides(2) == 1);
    if (!packed) {
        throw py::value_error("image: pixels of a row must lie side by side");
    }
    auto rows = static_cast<int>(image.shape(0));
    const auto width = static_cast<int>(image.shape(1));
    if (format == PixelFormat::NV12) {
        if (rows % 3 != 0 || width % 2 != 0) {
            throw py::value_error("image: NV12 has height * 3 / 2 rows and an even width");
        }
        rows = rows / 3 * 2;
    }
    return {static_cast<const std::uint8_t*>(image.data()), width, rows, image.strides(0), format};
}

Box checked_box(const std::array<double, 4>& box) {
    for (double value : box) {
        if (!std::isfinite(value)) throw py::value_error("box: must be four finite numbers");
    }
    if (box[2] <= 0 || box[3] <= 0) throw py::value_error("box: width and height must be positive");
    return {box[0], box[1], box[2], box[3]};
}

Expansion checked_expansion(const std::array<double, 2>& amount, const std::string& unit) {
    if (unit != "relative" && unit != "pixels") {
        throw py::value_error("expansion_unit: must be 'relative' or 'pixels'");
    }
    for (double value : amount) {
        if (!std::isfinite(value) || value < 0) {
            throw py::value_error("expansion: must be finite and not negative");
        }
    }
    return {unit == "relative", amount[0], amount[1]};
}

Target checked_target(py::array& out) {
    if (!out.dtype().equal(py::dtype::of<float>())) {
        throw py::value_error("out: dtype must be float32");
    }
    if (!out.writeable()) throw py::value_error("out: is read-only");
    const py::ssize_t dimensions = out.ndim();
    if ((out.flags() & py::array::c_style) == 0 || dimensions < 2) {
        throw py::value_error("out: must be C-contiguous with at least two dimensions");
    }
    for (py::ssize_t i = 0; i + 2 < dimensions; ++i) {
        if (out.shape(i) != 1) {
            throw py::value_error("out: dimensions before height and width must be 1");
        }
    }
    const py::ssize_t height = out.shape(dimensions - 2);
    const py::ssize_t width = out.shape(dimensions - 1);
    if (height < 1 || width < 1 || height > 4096 || width > 4096) {
        throw py::value_error("out: height and width must be 1 to 4096");
    }
    return {static_cast<float*>(out.mutable_data()), static_cast<int>(width),
            static_cast<int>(height)};
}

}  // namespace facectrl
