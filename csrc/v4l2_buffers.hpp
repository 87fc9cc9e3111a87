// A camera's buffers: memory that the driver fills and we only map. Each is queued with the
// driver, out with us or a reader, or idle while nothing streams.
#pragma once

#include <linux/videodev2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "frame_ring.hpp"
#include "v4l2_device.hpp"

namespace facectrl {

class V4l2Buffers : public SlotLender {
public:
    // The device's format is set already. Throws std::system_error; the driver may give more or
    // fewer buffers than `count`, but never fewer than two.
    V4l2Buffers(std::shared_ptr<SystemCalls> calls, std::unique_ptr<V4l2Device> device,
                std::uint32_t count);
    ~V4l2Buffers() override;

    std::size_t count() const { return buffers_.size(); }
    const std::uint8_t* data(std::size_t index) const { return buffers_[index].data; }
    // The smallest buffer's.
    std::size_t bytes() const { return bytes_; }

    // Of the thread that captures alone. Each returns 0 or an errno.
    int fd() const { return device_->fd(); }
    int start();
    void stop();
    // On success buffer.index is out.
    int dequeue(v4l2_buffer& buffer);
    // The device has been pulled out.
    bool gone() const;
    // Stops, closes the device, and unmaps what nobody reads; the rest follows as it comes back.
    void shut_down();

    // Of any thread. Neither ever waits for the driver.
    // The driver has none left to fill.
    bool all_out() const;
    void slot_returned(std::size_t index) noexcept override;

private:
    enum class State : std::uint8_t { Idle, Queued, Out };
    struct Buffer {
        const std::uint8_t* data = nullptr;
        std::size_t length = 0;
        State state = State::Idle;
    };

    void map(std::uint32_t index);
    // The following expect the lock to be held.
    int queue(std::size_t index);
    int queue_idle();
    void unmap(Buffer& buffer);

    const std::shared_ptr<SystemCalls> calls_;
    const std::unique_ptr<V4l2Device> device_;
    mutable std::mutex mutex_;
    std::vector<Buffer> buffers_;
    std::size_t bytes_ = 0;
    // Whether what comes back is queued at once. Not while streaming is switched on or off, which
    // takes the driver's own lock for as long as a camera takes to answer: a reader that lets go
    // of a frame must not wait for that.
    bool live_ = false;
    bool shut_down_ = false;
};

}  // namespace facectrl
