// A camera behind the table of system calls: what real drivers were seen to answer, on demand.
// The descriptor is an eventfd, so that the real poll waits for it.
#pragma once

#include <linux/videodev2.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "system_calls.hpp"

namespace facectrl {

class FakeCamera : public SystemCalls {
public:
    static constexpr std::uint32_t kWidth = 64;
    static constexpr std::uint32_t kHeight = 48;

    // Set before the camera is opened.
    std::uint32_t format_given = 0;  // S_FMT changes to it, 0: takes what is asked
    std::uint32_t stride = 0;        // 0: packed
    std::uint32_t buffers_given = 0;
    v4l2_fract interval_given{};  // 0: takes what is asked
    const char* driver = "fake";
    std::size_t frame_bytes = kWidth * kHeight * 2;
    int mmap_fails_at = -1;

    // What the driver does, on its own thread in reality.
    bool deliver(std::uint32_t bytes, std::uint32_t flags, double timestamp, const void* picture,
                 std::size_t size) {
        const std::lock_guard lock(mutex_);
        if (!streaming_ || queued_.empty()) return false;
        const std::uint32_t index = queued_.front();
        queued_.pop_front();
        if (size != 0) std::memcpy(memory_[index], picture, size);
        v4l2_buffer buffer{};
        buffer.index = index;
        buffer.bytesused = bytes;
        buffer.flags = flags;
        buffer.timestamp.tv_sec = static_cast<time_t>(timestamp);
        buffer.timestamp.tv_usec = static_cast<suseconds_t>((timestamp - std::floor(timestamp)) * 1e6);
        ready_.push_back(buffer);
        if (!held_back_) wake();
        return true;
    }
    bool deliver(std::uint8_t shade, std::uint32_t flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC) {
        return deliver_at(shade, clock(CLOCK_MONOTONIC), flags);
    }
    bool deliver_at(std::uint8_t shade, double timestamp,
                    std::uint32_t flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC) {
        const std::vector<std::uint8_t> picture(frame_bytes, shade);
        return deliver(static_cast<std::uint32_t>(frame_bytes), flags, timestamp, picture.data(),
                       picture.size());
    }
    // Frames pile up until they are let go, as where we were too busy to look.
    void hold_back(bool on) {
        const std::lock_guard lock(mutex_);
        held_back_ = on;
        if (!on && !ready_.empty()) wake();
    }
    // The newest once more, though it was not given back.
    void deliver_again() {
        const std::lock_guard lock(mutex_);
        ready_.push_back(ready_.back());
    }
    // A buffer that was never queued.
    void deliver_nonsense() {
        const std::lock_guard lock(mutex_);
        v4l2_buffer buffer{};
        buffer.index = 99;
        ready_.push_back(buffer);
        wake();
    }
    // STREAMOFF takes until it is let go, as with a camera that has stopped to answer.
    void hang(bool on) {
        const std::lock_guard lock(mutex_);
        hangs_ = on;
        let_go_.notify_all();
    }
    void answer(unsigned long request, int error) {
        const std::lock_guard lock(mutex_);
        errors_[request] = error;
    }
    void unplug() {
        const std::lock_guard lock(mutex_);
        unplugged_ = true;
        wake();
    }
    // DQBUF fails with it until the stream is started again.
    void break_stream(int error) {
        const std::lock_guard lock(mutex_);
        stream_error_ = error;
        wake();
    }

    std::size_t starts() { const std::lock_guard lock(mutex_); return starts_; }
    std::size_t queued() { const std::lock_guard lock(mutex_); return queued_.size(); }
    std::size_t open_files() { const std::lock_guard lock(mutex_); return open_.size(); }
    std::size_t mapped() { const std::lock_guard lock(mutex_); return mapped_; }
    const std::uint8_t* memory(std::size_t index) { return memory_[index]; }

    int open(const char* path) override {
        if (std::strcmp(path, "/dev/fake") != 0) return fail(ENOENT);
        const std::lock_guard lock(mutex_);
        if (unplugged_) return fail(ENODEV);
        const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        open_.insert(fd);
        fd_ = fd;
        return fd;
    }
    int close(int fd) override {
        const std::lock_guard lock(mutex_);
        if (open_.erase(fd) == 0) std::abort();
        streaming_ = false;
        return ::close(fd);
    }
    void* mmap(std::size_t length, int, std::size_t offset) override {
        const std::lock_guard lock(mutex_);
        if (mmap_fails_at == static_cast<int>(offset)) {
            errno = ENOMEM;
            return MAP_FAILED;
        }
        void* memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                              -1, 0);
        ++mapped_;
        memory_[offset] = static_cast<std::uint8_t*>(memory);
        return memory;
    }
    int munmap(void* memory, std::size_t length) override {
        const std::lock_guard lock(mutex_);
        --mapped_;
        return ::munmap(memory, length);
    }
    int poll(pollfd* fds, nfds_t count, int timeout_ms) override {
        const int result = SystemCalls::poll(fds, count, timeout_ms);
        const std::lock_guard lock(mutex_);
        // As videobuf2 does: without any buffer since the stream was started, there is nothing
        // that could become ready.
        const bool never_fed = streaming_ && queued_.empty() && ready_.empty() && !fed_;
        if (fds[0].fd >= 0 && (unplugged_ || stream_error_ != 0 || never_fed)) {
            fds[0].revents = static_cast<short>(unplugged_ ? POLLERR | POLLHUP : POLLERR);
        }
        return result;
    }
    double clock(clockid_t which) override {
        const double now = SystemCalls::clock(CLOCK_MONOTONIC);
        const std::lock_guard lock(mutex_);
        return which == CLOCK_BOOTTIME ? now + slept_ : now;
    }
    void sleep_for(double seconds) {
        const std::lock_guard lock(mutex_);
        slept_ += seconds;
    }

    int ioctl(int fd, unsigned long request, void* argument) override {
        std::unique_lock lock(mutex_);
        if (request == VIDIOC_STREAMOFF) let_go_.wait(lock, [this] { return !hangs_; });
        if (open_.count(fd) == 0) std::abort();  // used after close
        if (unplugged_) return fail(ENODEV);
        if (const auto it = errors_.find(request); it != errors_.end()) return fail(it->second);
        switch (request) {
        case VIDIOC_QUERYCAP: {
            auto& told = *static_cast<v4l2_capability*>(argument);
            // Not terminated: all 32 bytes are letters.
            std::memset(told.card, 'x', sizeof told.card);
            std::strncpy(reinterpret_cast<char*>(told.driver), driver, sizeof told.driver - 1);
            told.capabilities = V4L2_CAP_DEVICE_CAPS | V4L2_CAP_META_CAPTURE;
            told.device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
            return 0;
        }
        case VIDIOC_ENUM_FMT: return 0;  // never comes to an end
        case VIDIOC_S_FMT: {
            auto& picture = static_cast<v4l2_format*>(argument)->fmt.pix;
            if (format_given != 0) picture.pixelformat = format_given;
            picture.width = kWidth;
            picture.height = kHeight;
            picture.bytesperline = stride;
            return 0;
        }
        case VIDIOC_S_PARM:
            if (interval_given.denominator != 0) {
                static_cast<v4l2_streamparm*>(argument)->parm.capture.timeperframe = interval_given;
            }
            return 0;
        case VIDIOC_REQBUFS: {
            auto& wanted = *static_cast<v4l2_requestbuffers*>(argument);
            if (buffers_given != 0 && wanted.count != 0) wanted.count = buffers_given;
            if (wanted.count != 0) memory_.resize(wanted.count);
            return 0;
        }
        case VIDIOC_QUERYBUF: {
            auto& buffer = *static_cast<v4l2_buffer*>(argument);
            buffer.length = static_cast<__u32>(frame_bytes);
            buffer.m.offset = buffer.index;
            return 0;
        }
        case VIDIOC_QBUF: {
            const auto index = static_cast<v4l2_buffer*>(argument)->index;
            if (std::count(queued_.begin(), queued_.end(), index) != 0) std::abort();
            queued_.push_back(index);
            fed_ = true;
            return 0;
        }
        case VIDIOC_DQBUF: {
            if (stream_error_ != 0) return fail(stream_error_);
            if (ready_.empty()) return fail(EAGAIN);
            *static_cast<v4l2_buffer*>(argument) = ready_.front();
            ready_.pop_front();
            if (ready_.empty()) rest();
            return 0;
        }
        case VIDIOC_STREAMON:
            streaming_ = true;
            ++starts_;
            return 0;
        case VIDIOC_STREAMOFF:
            streaming_ = false;
            queued_.clear();
            ready_.clear();
            stream_error_ = 0;
            fed_ = false;
            rest();
            return 0;
        default: return fail(ENOTTY);
        }
    }

private:
    static int fail(int error) {
        errno = error;
        return -1;
    }
    void wake() { eventfd_write(fd_, 1); }
    void rest() {
        eventfd_t ignored = 0;
        eventfd_read(fd_, &ignored);
    }

    std::mutex mutex_;
    std::set<int> open_;
    int fd_ = -1;
    std::map<unsigned long, int> errors_;
    std::vector<std::uint8_t*> memory_;
    std::deque<std::uint32_t> queued_;
    std::deque<v4l2_buffer> ready_;
    std::size_t mapped_ = 0;
    std::size_t starts_ = 0;
    double slept_ = 0;
    bool held_back_ = false;
    bool hangs_ = false;
    std::condition_variable let_go_;
    bool streaming_ = false;
    bool fed_ = false;
    bool unplugged_ = false;
    int stream_error_ = 0;
};

}  // namespace facectrl
