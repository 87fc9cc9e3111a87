#include "v4l2_capture.hpp"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstring>
#include <limits>
#include <system_error>
#include <utility>
#include <vector>

namespace facectrl {
namespace {

// A camera may take its time over the first frame, to set its exposure.
constexpr double kFirstFrame = 2.0;  // times the patience with later ones
// Trouble again so soon after a restart: restarting does not help.
constexpr double kRestartHelps = 5.0;  // times the stall
constexpr double kUnknownInterval = 0.1;
// Seconds between frames that can be meant.
constexpr double kLeastInterval = 1e-3;
constexpr double kMostInterval = 10.0;
// Nobody sleeps for less; the two clocks are not read at the same moment.
constexpr double kSleep = 0.5;

bool is_compressed(std::uint32_t format) { return format == V4L2_PIX_FMT_MJPEG; }

PixelFormat pixel_format_of(std::uint32_t format) {
    switch (format) {
    case V4L2_PIX_FMT_YUYV: return PixelFormat::YUYV;
    case V4L2_PIX_FMT_UYVY: return PixelFormat::UYVY;
    case V4L2_PIX_FMT_NV12: return PixelFormat::NV12;
    case V4L2_PIX_FMT_GREY:
    case V4L2_PIX_FMT_MJPEG: return PixelFormat::GRAY8;
    default: throw FormatRefused("a format that is not read here");
    }
}

int milliseconds(double seconds) {
    return static_cast<int>(std::clamp(std::ceil(seconds * 1e3), 0.0, 1e6));
}

// Signals are the main thread's business.
class BlockedSignals {
public:
    BlockedSignals() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;

private:
    sigset_t before_;
};

}  // namespace

V4l2Capture::V4l2Capture(std::shared_ptr<SystemCalls> calls, const CaptureRequest& request)
    : calls_(std::move(calls)), stall_(request.stall), shrink_(request.shrink) {
    auto device = std::make_unique<V4l2Device>(calls_, request.path);
    // It hands out buffers again that are not given back, and writes to them meanwhile.
    const bool rewrites = device->identity().driver == "v4l2 loopback";
    set_format(*device, request);
    set_interval(*device, request);
    buffers_ = std::make_shared<V4l2Buffers>(calls_, std::move(device), request.buffers);
    if (is_compressed(request.format)) jpeg_ = std::make_unique<JpegLuma>();
    if (buffers_->bytes() < whole_) throw FormatRefused("buffers too small for a frame");
    if (jpeg_ || rewrites) {
        const std::size_t bytes =
            jpeg_ ? static_cast<std::size_t>(width()) * static_cast<std::size_t>(height()) : whole_;
        ring_ = FrameRing::create(std::max<std::size_t>(request.buffers, 2), bytes);
    } else {
        std::vector<const std::uint8_t*> slots;
        for (std::size_t i = 0; i < buffers_->count(); ++i) slots.push_back(buffers_->data(i));
        ring_ = FrameRing::borrow(std::move(slots), whole_, buffers_);
    }
    read_clock();
    has_slept();
    if (const int error = buffers_->start()) {
        throw std::system_error(error, std::generic_category(), "VIDIOC_STREAMON");
    }
    const BlockedSignals inherited;
    thread_ = std::thread(&V4l2Capture::run, this);
    pthread_setname_np(thread_.native_handle(), "camera");
}

V4l2Capture::~V4l2Capture() {
    close(std::chrono::duration<double>::zero());
    if (thread_.joinable()) thread_.join();
}

void V4l2Capture::set_format(const V4l2Device& device, const CaptureRequest& request) {
    pixel_format_ = pixel_format_of(request.format);
    v4l2_format format{};
    format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    v4l2_pix_format& picture = format.fmt.pix;
    picture.width = request.width;
    picture.height = request.height;
    picture.pixelformat = request.format;
    picture.field = V4L2_FIELD_ANY;
    device.call(VIDIOC_S_FMT, &format, "VIDIOC_S_FMT");
    if (picture.pixelformat != request.format) throw FormatRefused("the driver set another format");
    const bool pairs = pixel_format_ != PixelFormat::GRAY8;
    const bool odd = (pairs && picture.width % 2 != 0) ||
                     (pixel_format_ == PixelFormat::NV12 && picture.height % 2 != 0);
    if (odd || picture.width == 0 || picture.height == 0 || picture.width > 16384 ||
        picture.height > 16384) {
        throw FormatRefused("the driver set an impossible size");
    }
    width_ = static_cast<int>(picture.width);
    height_ = static_cast<int>(picture.height);
    const std::size_t row = bytes_per_pixel(pixel_format_) * picture.width;
    if (is_compressed(request.format)) {
        stride_ = static_cast<std::size_t>(width());
        return;
    }
    stride_ = std::max<std::size_t>(picture.bytesperline, row);
    std::size_t rows = picture.height;
    if (pixel_format_ == PixelFormat::NV12) rows += rows / 2;
    whole_ = stride_ * (rows - 1) + row;
}

void V4l2Capture::set_interval(const V4l2Device& device, const CaptureRequest& request) {
    v4l2_streamparm parameters{};
    parameters.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    const v4l2_fract& interval = parameters.parm.capture.timeperframe;
    try {
        if (request.interval_numerator != 0) {
            parameters.parm.capture.timeperframe = {request.interval_numerator,
                                                    request.interval_denominator};
            device.call(VIDIOC_S_PARM, &parameters, "VIDIOC_S_PARM");
        } else {
            device.call(VIDIOC_G_PARM, &parameters, "VIDIOC_G_PARM");
        }
    } catch (const std::system_error& error) {
        // Not every driver can be asked for a rate: frames come as they come.
        if (error.code().value() == ENODEV || error.code().value() == EBUSY) throw;
        return;
    }
    if (interval.denominator != 0) {
        const double told = static_cast<double>(interval.numerator) / interval.denominator;
        if (told >= kLeastInterval && told <= kMostInterval) interval_ = told;
    }
}

bool V4l2Capture::close(std::chrono::duration<double> limit) {
    stop_.set();
    ring_->close();
    std::unique_lock lock(mutex_);
    if (!finished_.wait_for(lock, limit, [this] { return done_; })) return false;
    if (thread_.joinable()) thread_.join();  // it has nothing left to do
    return true;
}

void V4l2Capture::run() noexcept {
    try {
        end_ = stream();
    } catch (const std::exception&) {
        end_ = give_up(ENOMEM);
    }
    // The readers first: to shut down a device that was pulled out may take its time.
    ring_->close();
    buffers_->shut_down();
    const std::lock_guard lock(mutex_);
    done_ = true;
    finished_.notify_all();
}

CaptureEnd V4l2Capture::give_up(int error) {
    error_ = error;
    if (error == ENODEV || buffers_->gone()) return CaptureEnd::Unplugged;
    return CaptureEnd::Failed;
}

CaptureEnd V4l2Capture::stream() {
    restarted_ = -std::numeric_limits<double>::infinity();
    read_clock();
    deadline_ = now_ + kFirstFrame * patience();
    const double frame_time = interval_ > 0 ? interval_ : kUnknownInterval;
    for (;;) {
        // The driver has nothing to fill, since readers hold so much. Some drivers then raise
        // alarms all the time, so that the device is not waited for.
        const bool starved = buffers_->all_out();
        if (starved) deadline_ = std::max(deadline_, now_ + patience());
        pollfd waits[] = {{starved ? -1 : buffers_->fd(), POLLIN, 0}, {stop_.fd(), POLLIN, 0}};
        const double limit = starved ? frame_time : deadline_ - now_;
        const int ready = calls_->poll(waits, 2, milliseconds(limit));
        read_clock();
        if (waits[1].revents != 0) return CaptureEnd::Closed;
        if (ready < 0) return give_up(errno);
        if (waits[0].revents != 0) {
            const int error = take((waits[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0);
            if (error != 0 && (error == ENODEV || buffers_->gone() || !restart())) {
                return give_up(error);
            }
        } else if (starved) {
            // The newest frame, which nobody took while it was the newest, makes room.
            ring_->withdraw_latest();
            if (buffers_->gone()) return give_up(ENODEV);
        }
        if (now_ >= deadline_ && !starved && !restart()) {
            if (buffers_->gone()) return CaptureEnd::Unplugged;
            return broken_in_a_row_ != 0 ? CaptureEnd::Broken : CaptureEnd::Stalled;
        }
    }
}

bool V4l2Capture::restart() {
    if (now_ < restarted_ + kRestartHelps * stall_) return false;
    ++restarts_;
    broken_in_a_row_ = 0;
    ring_->withdraw_latest();
    buffers_->stop();
    if (buffers_->start() != 0) return false;
    read_clock();  // to stop a camera may take seconds
    restarted_ = now_;
    deadline_ = now_ + kFirstFrame * patience();
    return true;
}

// Takes the newest of the frames that are ready; returns 0 or an errno. `alarmed` says that the
// device has more to tell than frames.
int V4l2Capture::take(bool alarmed) {
    std::optional<Filled> newest;
    int error = 0;
    for (std::size_t i = 0; i < buffers_->count() && error == 0; ++i) {
        v4l2_buffer buffer{};
        error = buffers_->dequeue(buffer);
        // A driver that hands out buffers again does so with the newest.
        if (error == EPROTO && newest && !ring_->borrowed()) error = EAGAIN;
        if (error != 0) break;
        const bool whole = buffer.bytesused >= (jpeg_ ? 1 : whole_) &&
                           buffer.bytesused <= buffers_->bytes();
        if ((buffer.flags & V4L2_BUF_FLAG_ERROR) != 0 || !whole) {
            ++broken_;
            ++broken_in_a_row_;
            buffers_->slot_returned(buffer.index);
            continue;
        }
        if (newest) {
            ++skipped_;
            buffers_->slot_returned(newest->index);
        }
        const bool monotonic =
            (buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
        const double time = static_cast<double>(buffer.timestamp.tv_sec) +
                            static_cast<double>(buffer.timestamp.tv_usec) * 1e-6;
        newest = {buffer.index, buffer.bytesused,
                  monotonic ? time : std::numeric_limits<double>::infinity()};
    }
    if (newest && has_slept()) {
        // From before the computer slept: who knows who sits there now.
        ++skipped_;
        buffers_->slot_returned(newest->index);
        mark_good();
    } else if (newest) {
        hand_over(*newest);
    }
    if (error == EAGAIN) return alarmed && !newest ? EIO : 0;
    return error;
}

void V4l2Capture::hand_over(const Filled& filled) {
    // Drivers' times may lie in the future, stand still or jump: later than the last frame and not
    // later than now is all that can be true.
    const bool plausible = filled.timestamp > timestamp_ && filled.timestamp <= now_;
    timestamp_ = plausible ? filled.timestamp : now_;
    if (ring_->borrowed()) {
        mark_good();
        ring_->publish_borrowed(filled.index, timestamp_);
    } else {
        transfer(filled);
        buffers_->slot_returned(filled.index);
    }
}

// To a slot of the ring's own memory.
void V4l2Capture::transfer(const Filled& filled) {
    if (!ring_->wanted(timestamp_)) {
        ++skipped_;
        mark_good();
        return;
    }
    const auto slot = ring_->begin_write();
    if (!slot) return mark_good();  // the ring counts it
    const std::uint8_t* data = buffers_->data(filled.index);
    if (!jpeg_) {
        std::memcpy(slot->data(), data, whole_);
    } else if (!jpeg_->decode(data, filled.bytes, width_, height_, shrink_, slot->data())) {
        ++broken_;
        ++broken_in_a_row_;
        return;
    }
    mark_good();
    slot->publish(timestamp_);
}

void V4l2Capture::mark_good() {
    broken_in_a_row_ = 0;
    deadline_ = now_ + patience();
}

// Once a wake-up: not every computer can tell the time without a system call.
void V4l2Capture::read_clock() { now_ = calls_->clock(CLOCK_MONOTONIC); }

// Whether the computer was asleep since the last call: one of the clocks stood still.
bool V4l2Capture::has_slept() {
    const double before = std::exchange(slept_, calls_->clock(CLOCK_BOOTTIME) - now_);
    return slept_ - before > kSleep;
}

}  // namespace facectrl
