// Frames from a camera through the kernel's V4L2 interface.
//
// Uncompressed frames are published where the driver wrote them: its mapped buffers are the ring's
// slots. MJPEG is decoded to luma into a slot, and only where a reader waits for a frame or has
// armed the ring: latest() is then the newest one that somebody wanted. The same goes for
// v4l2loopback, whose buffers cannot be borrowed: its frames are copied.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "event_fd.hpp"
#include "frame_ring.hpp"
#include "jpeg_luma.hpp"
#include "pixel_format.hpp"
#include "v4l2_buffers.hpp"

namespace facectrl {

// The driver does not give the format that was asked for.
class FormatRefused : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct CaptureRequest {
    std::string path;
    std::uint32_t format = 0;  // V4L2_PIX_FMT_: YUYV, UYVY, NV12, GREY or MJPEG
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::uint32_t interval_numerator = 0;  // seconds between frames; 0 leaves it to the driver
    std::uint32_t interval_denominator = 1;
    std::uint32_t buffers = 4;
    int shrink = 1;  // MJPEG: 1, 2, 4 or 8
    // Without a good frame for so many seconds the stream is started anew, then given up.
    double stall = 2.0;
};

// Why no more frames come.
enum class CaptureEnd : std::uint8_t { None, Closed, Unplugged, Stalled, Broken, Failed };

class V4l2Capture {
public:
    // Opens and starts to capture on a thread of its own. Throws std::system_error (EBUSY: another
    // program has the camera) or FormatRefused. The driver may give another size or rate.
    V4l2Capture(std::shared_ptr<SystemCalls> calls, const CaptureRequest& request);
    // Closes, and waits for as long as the driver takes.
    ~V4l2Capture();
    V4l2Capture(const V4l2Capture&) = delete;
    V4l2Capture& operator=(const V4l2Capture&) = delete;

    const std::shared_ptr<FrameRing>& ring() const { return ring_; }
    PixelFormat pixel_format() const { return pixel_format_; }
    int width() const { return shrunk(width_); }
    int height() const { return shrunk(height_); }
    std::size_t stride() const { return stride_; }
    double interval() const { return interval_; }

    // Closes the ring at once and the device as soon as the driver lets us; true once that is
    // done. A driver that waits for a camera gone deaf may take seconds: then false after `limit`.
    bool close(std::chrono::duration<double> limit);

    // Valid once the ring is closed by the capture itself.
    CaptureEnd end() const { return end_; }
    int error() const { return error_; }

    // Ready frames passed over for a newer one, and compressed ones that nobody wanted.
    std::uint64_t skipped() const { return skipped_; }
    // Frames that the driver marked as damaged, short ones, and JPEGs that cannot be decoded.
    std::uint64_t broken() const { return broken_; }
    std::uint64_t restarts() const { return restarts_; }

private:
    struct Filled {
        std::size_t index;
        std::size_t bytes;
        double timestamp;
    };

    int shrunk(int side) const { return (side + shrink_ - 1) / shrink_; }
    void set_format(const V4l2Device& device, const CaptureRequest& request);
    void set_interval(const V4l2Device& device, const CaptureRequest& request);
    void run() noexcept;
    CaptureEnd stream();
    CaptureEnd give_up(int error);
    bool restart();
    int take(bool alarmed);
    void hand_over(const Filled& filled);
    void transfer(const Filled& filled);
    void mark_good();
    bool has_slept();
    double patience() const { return std::max(stall_, 3 * interval_); }
    void read_clock();

    const std::shared_ptr<SystemCalls> calls_;
    const double stall_;
    const int shrink_;
    PixelFormat pixel_format_ = PixelFormat::GRAY8;
    int width_ = 0;
    int height_ = 0;
    std::size_t stride_ = 0;
    std::size_t whole_ = 0;  // bytes of a complete uncompressed frame
    double interval_ = 0;
    std::unique_ptr<JpegLuma> jpeg_;
    std::shared_ptr<V4l2Buffers> buffers_;
    std::shared_ptr<FrameRing> ring_;

    // Of the capturing thread alone.
    double now_ = 0;       // of the last wake-up
    double deadline_ = 0;  // for the next good frame
    double restarted_ = 0;
    double timestamp_ = 0;
    double slept_ = 0;
    std::uint64_t broken_in_a_row_ = 0;

    std::atomic<CaptureEnd> end_{CaptureEnd::None};
    std::atomic<int> error_{0};
    std::atomic<std::uint64_t> skipped_{0};
    std::atomic<std::uint64_t> broken_{0};
    std::atomic<std::uint64_t> restarts_{0};
    EventFd stop_;
    std::mutex mutex_;
    std::condition_variable finished_;
    bool done_ = false;
    std::thread thread_;
};

}  // namespace facectrl
