// A video device node, open: what it is and which pictures it offers. Asking does not switch the
// camera on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "system_calls.hpp"

namespace facectrl {

struct DeviceIdentity {
    std::string driver;
    std::string card;
    std::string bus;
    std::uint32_t capabilities;  // V4L2_CAP_*, of this node
};

// From `least` to `most` in steps; a single size where both are equal.
struct SizeRange {
    std::uint32_t least_width, most_width, step_width;
    std::uint32_t least_height, most_height, step_height;
};

// Seconds between frames, as fractions; a single one where both are equal.
struct IntervalRange {
    std::uint32_t least_numerator, least_denominator;
    std::uint32_t most_numerator, most_denominator;
};

class V4l2Device {
public:
    // Throws std::system_error: errno of open, or ENOTTY where it is no V4L2 device.
    V4l2Device(std::shared_ptr<SystemCalls> calls, const std::string& path);
    ~V4l2Device();
    V4l2Device(const V4l2Device&) = delete;
    V4l2Device& operator=(const V4l2Device&) = delete;

    const DeviceIdentity& identity() const { return identity_; }
    // The following throw std::system_error when the device has gone; what a driver does not
    // tell is empty.
    std::vector<std::uint32_t> formats() const;
    std::vector<SizeRange> sizes(std::uint32_t format) const;
    std::vector<IntervalRange> intervals(std::uint32_t format, std::uint32_t width,
                                         std::uint32_t height) const;

    int fd() const { return fd_; }
    // Gives the descriptor away.
    int release();
    // Throws std::system_error with `what` for a result below zero.
    void call(unsigned long request, void* argument, const char* what) const;

private:
    void identify();
    template <class Entry, class Visit>
    void enumerate(unsigned long request, Entry entry, const char* what, Visit visit) const;

    const std::shared_ptr<SystemCalls> calls_;
    int fd_;
    DeviceIdentity identity_;
};

}  // namespace facectrl
