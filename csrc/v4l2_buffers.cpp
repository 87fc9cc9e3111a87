#include "v4l2_buffers.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace facectrl {
namespace {

v4l2_buffer blank_buffer(std::size_t index) {
    v4l2_buffer buffer{};
    buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer.memory = V4L2_MEMORY_MMAP;
    buffer.index = static_cast<std::uint32_t>(index);
    return buffer;
}

v4l2_requestbuffers request(std::uint32_t count) {
    v4l2_requestbuffers wanted{};
    wanted.count = count;
    wanted.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    wanted.memory = V4L2_MEMORY_MMAP;
    return wanted;
}

}  // namespace

V4l2Buffers::V4l2Buffers(std::shared_ptr<SystemCalls> calls, std::unique_ptr<V4l2Device> device,
                         std::uint32_t count)
    : calls_(std::move(calls)), device_(std::move(device)) {
    v4l2_requestbuffers given = request(count);
    device_->call(VIDIOC_REQBUFS, &given, "VIDIOC_REQBUFS");
    if (given.count < 2) {
        throw std::system_error(ENOMEM, std::generic_category(), "VIDIOC_REQBUFS");
    }
    buffers_.resize(given.count);
    try {
        for (std::uint32_t i = 0; i < given.count; ++i) map(i);
    } catch (...) {
        for (Buffer& buffer : buffers_) unmap(buffer);
        throw;
    }
    const auto shorter = [](const Buffer& a, const Buffer& b) { return a.length < b.length; };
    bytes_ = std::min_element(buffers_.begin(), buffers_.end(), shorter)->length;
}

V4l2Buffers::~V4l2Buffers() {
    shut_down();
    // Nobody reads any more, or we would still be held.
    for (Buffer& buffer : buffers_) unmap(buffer);
}

void V4l2Buffers::map(std::uint32_t index) {
    v4l2_buffer told = blank_buffer(index);
    device_->call(VIDIOC_QUERYBUF, &told, "VIDIOC_QUERYBUF");
    void* memory = calls_->mmap(told.length, device_->fd(), told.m.offset);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    buffers_[index].data = static_cast<const std::uint8_t*>(memory);
    buffers_[index].length = told.length;
}

void V4l2Buffers::unmap(Buffer& buffer) {
    if (buffer.data == nullptr) return;
    calls_->munmap(const_cast<std::uint8_t*>(buffer.data), buffer.length);
    buffer.data = nullptr;
}

int V4l2Buffers::queue(std::size_t index) {
    v4l2_buffer buffer = blank_buffer(index);
    if (calls_->ioctl(device_->fd(), VIDIOC_QBUF, &buffer) < 0) {
        buffers_[index].state = State::Idle;
        return errno;
    }
    buffers_[index].state = State::Queued;
    return 0;
}

int V4l2Buffers::queue_idle() {
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
        if (buffers_[i].state != State::Idle) continue;
        if (const int error = queue(i)) return error;
    }
    return 0;
}

int V4l2Buffers::start() {
    {
        const std::lock_guard lock(mutex_);
        if (const int error = queue_idle()) return error;
    }
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (calls_->ioctl(device_->fd(), VIDIOC_STREAMON, &type) < 0) return errno;
    const std::lock_guard lock(mutex_);
    live_ = true;
    return queue_idle();  // what came back meanwhile
}

void V4l2Buffers::stop() {
    {
        const std::lock_guard lock(mutex_);
        live_ = false;
    }
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    // Where it refuses, the driver still has what was queued.
    if (calls_->ioctl(device_->fd(), VIDIOC_STREAMOFF, &type) < 0) return;
    const std::lock_guard lock(mutex_);
    for (Buffer& buffer : buffers_) {
        if (buffer.state == State::Queued) buffer.state = State::Idle;
    }
}

int V4l2Buffers::dequeue(v4l2_buffer& buffer) {
    buffer = blank_buffer(0);
    if (calls_->ioctl(device_->fd(), VIDIOC_DQBUF, &buffer) < 0) return errno;
    const std::lock_guard lock(mutex_);
    if (buffer.index >= buffers_.size() || buffers_[buffer.index].state != State::Queued) {
        return EPROTO;  // a driver that gives what it does not have
    }
    buffers_[buffer.index].state = State::Out;
    return 0;
}

bool V4l2Buffers::gone() const {
    v4l2_capability ignored{};
    return calls_->ioctl(device_->fd(), VIDIOC_QUERYCAP, &ignored) < 0 && errno == ENODEV;
}

void V4l2Buffers::shut_down() {
    if (shut_down_) return;
    stop();
    // What is still mapped keeps the device open for the kernel; without buffers it is at least
    // free for others.
    v4l2_requestbuffers none = request(0);
    calls_->ioctl(device_->fd(), VIDIOC_REQBUFS, &none);
    calls_->close(device_->release());
    const std::lock_guard lock(mutex_);
    shut_down_ = true;
    for (Buffer& buffer : buffers_) {
        if (buffer.state != State::Out) unmap(buffer);
    }
}

bool V4l2Buffers::all_out() const {
    const std::lock_guard lock(mutex_);
    return std::all_of(buffers_.begin(), buffers_.end(),
                       [](const Buffer& buffer) { return buffer.state == State::Out; });
}

void V4l2Buffers::slot_returned(std::size_t index) noexcept {
    const std::lock_guard lock(mutex_);
    buffers_[index].state = State::Idle;
    if (shut_down_) {
        unmap(buffers_[index]);
    } else if (live_) {
        queue(index);  // where it fails it is tried again when the stream is restarted
    }
}

}  // namespace facectrl
