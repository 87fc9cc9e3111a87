#include "v4l2_device.hpp"

#include <linux/videodev2.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace facectrl {
namespace {

// No driver has as many; one that never comes to an end must not hold us.
constexpr std::uint32_t kMostEntries = 1000;

[[noreturn]] void fail(int error, const char* what) {
    throw std::system_error(error, std::generic_category(), what);
}

template <std::size_t N>
std::string text(const __u8 (&bytes)[N]) {
    const char* characters = reinterpret_cast<const char*>(bytes);
    return {characters, strnlen(characters, N)};
}

}  // namespace

V4l2Device::V4l2Device(std::shared_ptr<SystemCalls> calls, const std::string& path)
    : calls_(std::move(calls)), fd_(calls_->open(path.c_str())) {
    if (fd_ < 0) fail(errno, "open");
    try {
        identify();
    } catch (...) {
        calls_->close(fd_);
        throw;
    }
}

V4l2Device::~V4l2Device() {
    if (fd_ >= 0) calls_->close(fd_);
}

int V4l2Device::release() { return std::exchange(fd_, -1); }

void V4l2Device::call(unsigned long request, void* argument, const char* what) const {
    if (calls_->ioctl(fd_, request, argument) < 0) fail(errno, what);
}

void V4l2Device::identify() {
    v4l2_capability told{};
    if (calls_->ioctl(fd_, VIDIOC_QUERYCAP, &told) < 0) {
        // Other devices say this in several ways.
        fail(errno == ENODEV ? ENODEV : ENOTTY, "VIDIOC_QUERYCAP");
    }
    // Several nodes of one device tell its capabilities alike; device_caps are the node's own.
    const bool own = (told.capabilities & V4L2_CAP_DEVICE_CAPS) != 0;
    identity_ = {text(told.driver), text(told.card), text(told.bus_info),
                 own ? told.device_caps : told.capabilities};
}

template <class Entry, class Visit>
void V4l2Device::enumerate(unsigned long request, Entry entry, const char* what,
                           Visit visit) const {
    for (entry.index = 0; entry.index < kMostEntries; ++entry.index) {
        if (calls_->ioctl(fd_, request, &entry) < 0) {
            if (errno == ENODEV) fail(errno, what);
            return;
        }
        if (!visit(entry)) return;
    }
}

std::vector<std::uint32_t> V4l2Device::formats() const {
    std::vector<std::uint32_t> found;
    v4l2_fmtdesc entry{};
    entry.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    enumerate(VIDIOC_ENUM_FMT, entry, "VIDIOC_ENUM_FMT", [&](const v4l2_fmtdesc& told) {
        found.push_back(told.pixelformat);
        return true;
    });
    return found;
}

std::vector<SizeRange> V4l2Device::sizes(std::uint32_t format) const {
    std::vector<SizeRange> found;
    v4l2_frmsizeenum entry{};
    entry.pixel_format = format;
    enumerate(VIDIOC_ENUM_FRAMESIZES, entry, "VIDIOC_ENUM_FRAMESIZES",
              [&](const v4l2_frmsizeenum& told) {
                  if (told.type == V4L2_FRMSIZE_TYPE_DISCRETE) {
                      const auto [width, height] = told.discrete;
                      found.push_back({width, width, 1, height, height, 1});
                      return true;
                  }
                  const v4l2_frmsize_stepwise& range = told.stepwise;
                  found.push_back({range.min_width, range.max_width, range.step_width,
                                   range.min_height, range.max_height, range.step_height});
                  return false;  // a range is the only entry
              });
    return found;
}

std::vector<IntervalRange> V4l2Device::intervals(std::uint32_t format, std::uint32_t width,
                                                 std::uint32_t height) const {
    std::vector<IntervalRange> found;
    v4l2_frmivalenum entry{};
    entry.pixel_format = format;
    entry.width = width;
    entry.height = height;
    enumerate(VIDIOC_ENUM_FRAMEINTERVALS, entry, "VIDIOC_ENUM_FRAMEINTERVALS",
              [&](const v4l2_frmivalenum& told) {
                  if (told.type == V4L2_FRMIVAL_TYPE_DISCRETE) {
                      const auto [numerator, denominator] = told.discrete;
                      found.push_back({numerator, denominator, numerator, denominator});
                      return true;
                  }
                  const auto& [least, most, step] = told.stepwise;
                  found.push_back({least.numerator, least.denominator, most.numerator,
                                   most.denominator});
                  return false;
              });
    return found;
}

}  // namespace facectrl
