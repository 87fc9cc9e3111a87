// The Python module. Arguments are checked here and in checked_arguments, so that the kernels can
// trust theirs. Public Python modules wrap these classes and carry the docstrings.
#include <pybind11/native_enum.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <tuple>

#include "checked_arguments.hpp"
#include "frame_ring.hpp"
#include "gate.hpp"
#include "look_bindings.hpp"
#include "preprocess.hpp"
#include "template_match.hpp"
#include "v4l2_capture.hpp"
#include "v4l2_device.hpp"

namespace py = pybind11;
using namespace facectrl;

namespace {

using Seconds = std::chrono::duration<double>;

// What NumPy shows as a last dimension; where it is 1, it shows none.
int channels(PixelFormat format) { return static_cast<int>(bytes_per_pixel(format)); }

// How frames of one ring look from NumPy.
struct Layout {
    PixelFormat format;
    int width;
    int height;
    std::size_t stride;  // bytes from row to row

    Layout(PixelFormat f, int w, int h, std::size_t s = 0)
        : format(f), width(w), height(h), stride(s) {
        if (w <= 0 || h <= 0 || w > 16384 || h > 16384) {
            throw py::value_error("width, height: must be 1 to 16384 pixels");
        }
        const bool chroma_pairs = channels(f) == 2 || f == PixelFormat::NV12;
        if (chroma_pairs && w % 2 != 0) throw py::value_error("width: must be even");
        if (f == PixelFormat::NV12 && h % 2 != 0) throw py::value_error("height: must be even");
        if (stride == 0) stride = static_cast<std::size_t>(w * channels(f));
    }

    std::vector<py::ssize_t> shape() const {
        const py::ssize_t rows = format == PixelFormat::NV12 ? height + height / 2 : height;
        if (channels(format) == 1) return {rows, width};
        return {rows, width, channels(format)};
    }

    std::size_t bytes() const {
        return static_cast<std::size_t>(shape()[0]) * stride;
    }

    // A view that keeps `owner` alive, and with it the slot.
    py::array view(const std::uint8_t* data, py::handle owner, bool writable) const {
        std::vector<py::ssize_t> strides{static_cast<py::ssize_t>(stride), channels(format)};
        if (channels(format) > 1) strides.push_back(1);
        py::array array(py::dtype::of<std::uint8_t>(), shape(), strides, data, owner);
        if (!writable) array.attr("setflags")(py::arg("write") = false);
        return array;
    }
};

struct PyFrame {
    std::shared_ptr<Frame> frame;
    Layout layout;
};

struct PyWriteSlot {
    std::unique_ptr<WriteSlot> slot;
    Layout layout;
};

struct PyRing {
    std::shared_ptr<FrameRing> ring;
    Layout layout;

    std::optional<PyFrame> wrap(std::shared_ptr<Frame> frame) const {
        if (!frame) return std::nullopt;
        return PyFrame{std::move(frame), layout};
    }
};

Seconds checked_timeout(double timeout) {
    if (std::isnan(timeout)) throw py::value_error("timeout: must be a number of seconds");
    return Seconds(timeout);
}

Resampling checked_resampling(const std::string& name) {
    if (name == "bilinear") return Resampling::Bilinear;
    if (name == "area") return Resampling::Area;
    throw py::value_error("resampling: must be 'bilinear' or 'area'");
}

const GrayRowKernels& checked_kernels(const std::string& instruction_set) {
    if (instruction_set == "best") return best_gray_rows();
    if (instruction_set == "portable") return portable_gray_rows();
    if (instruction_set == "avx2" && avx2_gray_rows() != nullptr) return *avx2_gray_rows();
    throw py::value_error("instruction_set: '" + instruction_set + "' is not available here");
}

std::tuple<int, int, int, int> crop_box(const std::array<double, 4>& box, int frame_width, int frame_height,
                            const std::array<double, 2>& expansion,
                            const std::string& expansion_unit) {
    if (frame_width <= 0 || frame_height <= 0) {
        throw py::value_error("frame_width, frame_height: must be positive");
    }
    const PixelRect crop = expanded_crop(checked_box(box), checked_expansion(expansion, expansion_unit),
                                         frame_width, frame_height);
    return {crop.x, crop.y, crop.width, crop.height};
}

void preprocess(const py::array& image, PixelFormat format, const std::array<double, 4>& box,
                py::array& out, const std::array<double, 2>& expansion,
                const std::string& expansion_unit, const std::string& resampling,
                const std::string& instruction_set) {
    const ImageView view = view_of(image, format);
    const Target target = checked_target(out);
    const Resampling method = checked_resampling(resampling);
    const GrayRowKernels& rows = checked_kernels(instruction_set);
    const PixelRect crop = expanded_crop(
        checked_box(box), checked_expansion(expansion, expansion_unit), view.width, view.height);
    // Safe: from here on only memory of `image` and `out` is used, and the caller's references
    // keep both alive until we return.
    const py::gil_scoped_release unlocked;
    resize_gray(view, crop, method, rows, target.data, target.width, target.height);
}

std::string fourcc_name(std::uint32_t code) {
    std::string name;
    for (int shift = 0; shift < 32; shift += 8) {
        const char letter = static_cast<char>(code >> shift & 0x7f);
        name += letter >= ' ' && letter <= '~' ? letter : '?';
    }
    return name;
}

// Drivers cut names at a number of bytes, in the middle of a letter too.
py::str decoded(const std::string& name) {
    PyObject* text = PyUnicode_DecodeUTF8(name.data(), static_cast<py::ssize_t>(name.size()),
                                          "replace");
    if (text == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::str>(text);
}

std::uint32_t fourcc_code(const std::string& name) {
    if (name.size() != 4) throw py::value_error("format: must be a four character code");
    std::uint32_t code = 0;
    for (int i = 3; i >= 0; --i) {
        code = code << 8 | static_cast<unsigned char>(name[static_cast<std::size_t>(i)]);
    }
    return code;
}

using Range = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;
using Fraction = std::tuple<std::uint32_t, std::uint32_t>;

void check_shrink(int shrink) {
    if (shrink != 1 && shrink != 2 && shrink != 4 && shrink != 8) {
        throw py::value_error("shrink: must be 1, 2, 4 or 8");
    }
}

struct PyDevice {
    std::shared_ptr<V4l2Device> device;

    const V4l2Device& open() const {
        if (!device) throw py::value_error("the device is closed");
        return *device;
    }

    // Asks without the GIL, since a camera may first have to wake up. Safe: no Python object is
    // touched, and what is asked stays open until it has answered, whoever closes it meanwhile.
    template <class Question>
    auto ask(Question question) const {
        open();
        const std::shared_ptr<const V4l2Device> asked = device;
        const py::gil_scoped_release unlocked;
        return question(*asked);
    }
};

CaptureRequest checked_request(const std::string& path, const std::string& format,
                               std::uint32_t width, std::uint32_t height,
                               const Fraction& interval, std::uint32_t buffers, int shrink,
                               double stall) {
    if (buffers < 2 || buffers > 32) throw py::value_error("buffers: must be 2 to 32");
    check_shrink(shrink);
    if (shrink != 1 && format != "MJPG") throw py::value_error("shrink: only MJPG is decoded");
    if (!(stall > 0 && stall < 1e5)) throw py::value_error("stall: must be seconds");
    const auto [numerator, denominator] = interval;
    return {path,      fourcc_code(format), width,   height, numerator,
            denominator, buffers,            shrink, stall};
}

struct PyCapture {
    std::unique_ptr<V4l2Capture> capture;

    explicit PyCapture(const CaptureRequest& request) {
        // Safe: no Python object is touched. Drivers may take long to answer.
        const py::gil_scoped_release unlocked;
        capture = std::make_unique<V4l2Capture>(SystemCalls::real(), request);
    }
    PyCapture(const PyCapture&) = delete;
    PyCapture& operator=(const PyCapture&) = delete;
    // Releasing the GIL throws only where Python is not there any more, and nothing can be done.
    ~PyCapture() {  // NOLINT(bugprone-exception-escape)
        // Safe: as above; the capturing thread, which is waited for, never takes the GIL.
        const py::gil_scoped_release unlocked;
        capture.reset();
    }

    Layout layout() const {
        return {capture->pixel_format(), capture->width(), capture->height(), capture->stride()};
    }
};

const char* name_of(CaptureEnd end) {
    switch (end) {
    case CaptureEnd::None: return "none";
    case CaptureEnd::Closed: return "closed";
    case CaptureEnd::Unplugged: return "unplugged";
    case CaptureEnd::Stalled: return "stalled";
    case CaptureEnd::Broken: return "broken";
    case CaptureEnd::Failed: return "failed";
    }
    return "failed";
}

// What keeps state and works without the GIL brings a lock of its own.
struct PyGate {
    LumaGate gate;
    std::mutex mutex;
};

struct PyTemplateMatch {
    TemplateMatch match;
    std::mutex mutex;
};

std::string format_name(PixelFormat format) {
    return py::str(py::cast(format).attr("name"));
}

}  // namespace

PYBIND11_MODULE(_native, m) {
    m.doc() = "Native core of facectrl_fast; use the Python modules that wrap it.";

    // OSError picks its subclass, such as PermissionError, by the errno.
    // pybind11 wants it by value: NOLINTNEXTLINE(performance-unnecessary-value-param)
    py::register_local_exception_translator([](std::exception_ptr error) {
        try {
            if (error) std::rethrow_exception(error);
        } catch (const std::system_error& e) {
            const py::tuple arguments = py::make_tuple(e.code().value(), e.what());
            PyErr_SetObject(PyExc_OSError, arguments.ptr());
        }
    });
    py::register_local_exception<FormatRefused>(m, "FormatRefusedError");

    py::native_enum<PixelFormat>(m, "PixelFormat", "enum.Enum", "How the bytes of a frame are laid out.")
        .value("BGR24", PixelFormat::BGR24)
        .value("GRAY8", PixelFormat::GRAY8)
        .value("YUYV", PixelFormat::YUYV)
        .value("UYVY", PixelFormat::UYVY)
        .value("NV12", PixelFormat::NV12)
        .finalize();

    py::class_<PyFrame>(m, "Frame")
        .def_property_readonly("array",
                               [](py::handle self) {
                                   const auto& f = self.cast<const PyFrame&>();
                                   return f.layout.view(f.frame->data(), self, false);
                               })
        .def_property_readonly("seq", [](const PyFrame& f) { return f.frame->seq(); })
        .def_property_readonly("timestamp", [](const PyFrame& f) { return f.frame->timestamp(); })
        .def_property_readonly("pixel_format", [](const PyFrame& f) { return f.layout.format; })
        .def_property_readonly("width", [](const PyFrame& f) { return f.layout.width; })
        .def_property_readonly("height", [](const PyFrame& f) { return f.layout.height; })
        .def("__repr__", [](const PyFrame& f) {
            return "<Frame " + std::to_string(f.frame->seq()) + ": " + std::to_string(f.layout.width) +
                   "x" + std::to_string(f.layout.height) + " " + format_name(f.layout.format) + ">";
        });

    py::class_<PyWriteSlot>(m, "WriteSlot")
        .def_property_readonly("array",
                               [](py::handle self) {
                                   const auto& w = self.cast<const PyWriteSlot&>();
                                   if (!w.slot->held()) {
                                       throw py::value_error("the slot was published already");
                                   }
                                   return w.layout.view(w.slot->data(), self, true);
                               })
        .def(
            "publish",
            [](PyWriteSlot& w, double timestamp) {
                if (!std::isfinite(timestamp)) throw py::value_error("timestamp: must be finite");
                try {
                    return w.slot->publish(timestamp);
                } catch (const std::logic_error& error) {
                    throw py::value_error(error.what());
                }
            },
            py::arg("timestamp"));

    py::class_<PyRing>(m, "FrameRing")
        .def(py::init([](std::size_t slots, PixelFormat format, int width, int height) {
                 const Layout layout(format, width, height);
                 return PyRing{FrameRing::create(slots, layout.bytes()), layout};
             }),
             py::arg("slots"), py::arg("pixel_format"), py::arg("width"), py::arg("height"))
        .def("begin_write",
             [](PyRing& r) -> std::optional<PyWriteSlot> {
                 if (r.ring->borrowed()) throw py::value_error("the camera's driver writes here");
                 auto slot = r.ring->begin_write();
                 if (!slot) return std::nullopt;
                 return PyWriteSlot{std::move(slot), r.layout};
             })
        .def(
            "wanted", [](const PyRing& r, double timestamp) { return r.ring->wanted(timestamp); },
            py::arg("timestamp"))
        .def(
            "wait_wanted",
            [](PyRing& r, double timeout) {
                const Seconds limit = checked_timeout(timeout);
                // Safe: the ring locks itself and no Python object is touched.
                const py::gil_scoped_release unlocked;
                return r.ring->wait_wanted(limit);
            },
            py::arg("timeout"))
        .def("latest", [](PyRing& r) { return r.wrap(r.ring->latest()); })
        .def(
            "wait_newer",
            [](PyRing& r, std::uint64_t seq, double timeout) {
                const Seconds limit = checked_timeout(timeout);
                std::shared_ptr<Frame> frame;
                {
                    // Safe: as in wait_wanted.
                    const py::gil_scoped_release unlocked;
                    frame = r.ring->wait_newer(seq, limit);
                }
                return r.wrap(std::move(frame));
            },
            py::arg("seq"), py::arg("timeout"))
        .def(
            "arm",
            [](PyRing& r, std::uint64_t seq, double not_before) {
                if (std::isnan(not_before)) throw py::value_error("not_before: must be a number");
                r.ring->arm(seq, not_before);
            },
            py::arg("seq"), py::arg("not_before") = -std::numeric_limits<double>::infinity())
        .def("fileno", [](const PyRing& r) { return r.ring->event_fd(); })
        .def("close", [](PyRing& r) { r.ring->close(); })
        .def_property_readonly("closed", [](const PyRing& r) { return r.ring->closed(); })
        .def_property_readonly("slots", [](const PyRing& r) { return r.ring->slots(); })
        .def_property_readonly("published", [](const PyRing& r) { return r.ring->published(); })
        .def_property_readonly("dropped", [](const PyRing& r) { return r.ring->dropped(); })
        .def_property_readonly("pixel_format", [](const PyRing& r) { return r.layout.format; })
        .def_property_readonly("width", [](const PyRing& r) { return r.layout.width; })
        .def_property_readonly("height", [](const PyRing& r) { return r.layout.height; });

    py::class_<PyDevice>(m, "V4l2Device")
        .def(py::init([](const std::string& path) {
                 // Safe: as in PyDevice::ask.
                 const py::gil_scoped_release unlocked;
                 return PyDevice{std::make_shared<V4l2Device>(SystemCalls::real(), path)};
             }),
             py::arg("path"))
        .def_property_readonly("driver", [](const PyDevice& d) { return decoded(d.open().identity().driver); })
        .def_property_readonly("card", [](const PyDevice& d) { return decoded(d.open().identity().card); })
        .def_property_readonly("bus", [](const PyDevice& d) { return decoded(d.open().identity().bus); })
        .def_property_readonly("capabilities",
                               [](const PyDevice& d) { return d.open().identity().capabilities; })
        .def("formats",
             [](const PyDevice& d) {
                 std::vector<std::string> names;
                 const auto codes = d.ask([](const V4l2Device& v) { return v.formats(); });
                 names.reserve(codes.size());
                 for (std::uint32_t code : codes) names.push_back(fourcc_name(code));
                 return names;
             })
        .def(
            "sizes",
            [](const PyDevice& d, const std::string& format) {
                std::vector<std::tuple<Range, Range>> sizes;
                const std::uint32_t code = fourcc_code(format);
                const auto told = d.ask([code](const V4l2Device& v) { return v.sizes(code); });
                sizes.reserve(told.size());
                for (const SizeRange& s : told) {
                    sizes.push_back({{s.least_width, s.most_width, s.step_width},
                                     {s.least_height, s.most_height, s.step_height}});
                }
                return sizes;
            },
            py::arg("format"))
        .def(
            "intervals",
            [](const PyDevice& d, const std::string& format, std::uint32_t width,
               std::uint32_t height) {
                std::vector<std::tuple<Fraction, Fraction>> intervals;
                const std::uint32_t code = fourcc_code(format);
                const auto told = d.ask(
                    [=](const V4l2Device& v) { return v.intervals(code, width, height); });
                intervals.reserve(told.size());
                for (const IntervalRange& i : told) {
                    intervals.push_back({{i.least_numerator, i.least_denominator},
                                         {i.most_numerator, i.most_denominator}});
                }
                return intervals;
            },
            py::arg("format"), py::arg("width"), py::arg("height"))
        .def("close", [](PyDevice& d) {
            const auto device = std::move(d.device);
            // Safe: no Python object is touched; whoever still asks shares the device.
            const py::gil_scoped_release unlocked;
        });

    py::class_<PyCapture>(m, "V4l2Capture")
        .def(py::init([](const std::string& path, const std::string& format, std::uint32_t width,
                         std::uint32_t height, const Fraction& interval, std::uint32_t buffers,
                         int shrink, double stall) {
                 return std::make_unique<PyCapture>(checked_request(
                     path, format, width, height, interval, buffers, shrink, stall));
             }),
             py::arg("path"), py::arg("format"), py::arg("width"), py::arg("height"),
             py::arg("interval") = Fraction{0, 1}, py::kw_only(), py::arg("buffers") = 4,
             py::arg("shrink") = 1, py::arg("stall") = 2.0)
        .def_property_readonly(
            "ring", [](const PyCapture& c) { return PyRing{c.capture->ring(), c.layout()}; })
        .def_property_readonly("interval", [](const PyCapture& c) { return c.capture->interval(); })
        .def_property_readonly("end", [](const PyCapture& c) { return name_of(c.capture->end()); })
        .def_property_readonly("error", [](const PyCapture& c) { return c.capture->error(); })
        .def_property_readonly("skipped", [](const PyCapture& c) { return c.capture->skipped(); })
        .def_property_readonly("broken", [](const PyCapture& c) { return c.capture->broken(); })
        .def_property_readonly("restarts", [](const PyCapture& c) { return c.capture->restarts(); })
        .def(
            "close",
            [](PyCapture& c, double timeout) {
                const Seconds limit(std::clamp(checked_timeout(timeout).count(), 0.0, 3600.0));
                // Safe: the capture locks itself and no Python object is touched.
                const py::gil_scoped_release unlocked;
                return c.capture->close(limit);
            },
            py::arg("timeout") = 0.08);

    py::class_<JpegLuma>(m, "JpegLuma")
        .def(py::init<>())
        .def(
            "decode",
            [](JpegLuma& decoder, const py::bytes& jpeg, int width, int height,
               int shrink) -> std::optional<py::array_t<std::uint8_t>> {
                check_shrink(shrink);
                if (width < 1 || height < 1 || width > 16384 || height > 16384) {
                    throw py::value_error("width, height: must be 1 to 16384 pixels");
                }
                const auto bytes = static_cast<std::string_view>(jpeg);
                const auto side = [shrink](int s) { return (s + shrink - 1) / shrink; };
                py::array_t<std::uint8_t> out({side(height), side(width)});
                const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
                if (!decoder.decode(data, bytes.size(), width, height, shrink,
                                    out.mutable_data())) {
                    return std::nullopt;
                }
                return out;
            },
            py::arg("jpeg"), py::arg("width"), py::arg("height"), py::arg("shrink") = 1);

    m.def("crop_box", &crop_box, py::arg("box"), py::arg("frame_width"), py::arg("frame_height"),
          py::arg("expansion"), py::arg("expansion_unit"));
    m.def("preprocess", &preprocess, py::arg("image"), py::arg("pixel_format"), py::arg("box"),
          py::arg("out").noconvert(), py::kw_only(), py::arg("expansion"),
          py::arg("expansion_unit"), py::arg("resampling"), py::arg("instruction_set") = "best");
    m.def("instruction_sets", [] {
        std::vector<std::string> names{"portable"};
        if (avx2_gray_rows() != nullptr) names.emplace_back("avx2");
        return names;
    });

    py::class_<SceneChange>(m, "SceneChange")
        .def_readonly("brightness", &SceneChange::brightness)
        .def_readonly("contrast", &SceneChange::contrast)
        .def_readonly("moved_share", &SceneChange::moved_share);

    py::class_<PyGate> gate(m, "LumaGate");
    gate.attr("COLUMNS") = LumaGate::kColumns;
    gate.attr("ROWS") = LumaGate::kRows;
    gate
        .def(py::init<>())
        .def(
            "compare",
            [](PyGate& g, const py::array& image, PixelFormat format) {
                const ImageView view = view_of(image, format);
                // Safe: the caller's reference keeps `image` alive, the lock guards the gate.
                const py::gil_scoped_release unlocked;
                const std::lock_guard lock(g.mutex);
                return g.gate.compare(view);
            },
            py::arg("image"), py::arg("pixel_format"))
        .def("keep",
             [](PyGate& g) {
                 const std::lock_guard lock(g.mutex);
                 g.gate.keep();
             })
        .def("forget", [](PyGate& g) {
            const std::lock_guard lock(g.mutex);
            g.gate.forget();
        });

    bind_looks(m);

    py::class_<PyTemplateMatch>(m, "TemplateMatch")
        .def(py::init<>())
        .def(
            "start",
            [](PyTemplateMatch& t, const py::array& image, PixelFormat format,
               const std::array<double, 4>& box) {
                const ImageView view = view_of(image, format);
                const Box checked = checked_box(box);
                // Safe: the caller's reference keeps `image` alive, the lock guards the match.
                const py::gil_scoped_release unlocked;
                const std::lock_guard lock(t.mutex);
                t.match.start(view, checked);
            },
            py::arg("image"), py::arg("pixel_format"), py::arg("box"))
        .def(
            "update",
            [](PyTemplateMatch& t, const py::array& image, PixelFormat format) {
                const ImageView view = view_of(image, format);
                TemplateFind find;
                {
                    // Safe: as above; the result is the caller's own.
                    const py::gil_scoped_release unlocked;
                    const std::lock_guard lock(t.mutex);
                    find = t.match.update(view);
                }
                const Box& box = find.box;
                return py::make_tuple(py::make_tuple(box.x, box.y, box.width, box.height),
                                      find.similarity);
            },
            py::arg("image"), py::arg("pixel_format"));
}
