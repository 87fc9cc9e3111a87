// A camera that answers anything, in any order: the capture ends or goes on, gives everything back,
// and hands out nothing but whole frames.
#include "v4l2_capture.hpp"

#include <numeric>

#include "bytes.hpp"
#include "fake_camera.hpp"

using namespace facectrl;

namespace {

volatile unsigned seen = 0;

// Reads each byte that a frame of that size promises.
void look(const std::shared_ptr<Frame>& frame, std::size_t bytes) {
    if (frame) seen = std::accumulate(frame->data(), frame->data() + bytes, 0u);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Bytes bytes(data, size);
    const auto camera = std::make_shared<FakeCamera>();
    const std::uint32_t formats[] = {V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_UYVY, V4L2_PIX_FMT_NV12,
                                     V4L2_PIX_FMT_GREY, V4L2_PIX_FMT_MJPEG};
    CaptureRequest wanted;
    wanted.path = "/dev/fake";
    wanted.format = formats[bytes.between(0, 4)];
    wanted.width = FakeCamera::kWidth;
    wanted.height = FakeCamera::kHeight;
    wanted.interval_numerator = 1;
    wanted.interval_denominator = 1000;
    wanted.buffers = static_cast<std::uint32_t>(bytes.between(2, 6));
    wanted.shrink = wanted.format == V4L2_PIX_FMT_MJPEG ? 1 << bytes.between(0, 3) : 1;
    wanted.stall = 0.02;
    camera->stride = static_cast<std::uint32_t>(bytes.between(0, 3)) * 64;
    camera->buffers_given = static_cast<std::uint32_t>(bytes.between(0, 8));
    camera->frame_bytes = static_cast<std::size_t>(bytes.between(1, 12000));
    camera->interval_given = {bytes.take<std::uint8_t>(), bytes.take<std::uint8_t>()};
    camera->driver = bytes.between(0, 3) == 0 ? "v4l2 loopback" : "fake";
    camera->mmap_fails_at = bytes.between(-1, 9);
    std::vector<std::shared_ptr<Frame>> held;
    try {
        V4l2Capture capture(camera, wanted);
        FrameRing& ring = *capture.ring();
        const std::size_t whole = ring.slot_bytes();
        for (int step = 0; step < 40 && !bytes.empty(); ++step) {
            switch (bytes.take<std::uint8_t>() % 12) {
            case 0:
            case 1:
            case 2: {
                // The camera needs not have filled what it says it has.
                const auto picture = bytes.some(std::min<std::size_t>(bytes.take<std::uint8_t>(),
                                                                      camera->frame_bytes));
                const std::uint32_t told = bytes.between(0, 1) == 1
                                               ? static_cast<std::uint32_t>(camera->frame_bytes)
                                               : bytes.take<std::uint32_t>();
                const std::uint32_t flags = bytes.between(0, 4) == 0
                                                ? V4L2_BUF_FLAG_ERROR
                                                : V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
                const double at = camera->clock(CLOCK_MONOTONIC) + bytes.between(-100, 100) / 10.0;
                camera->deliver(told, flags, at, picture.data(), picture.size());
                break;
            }
            case 3: held.push_back(ring.latest()); break;
            case 4:
                held.push_back(ring.wait_newer(ring.published(), std::chrono::milliseconds(1)));
                break;
            case 5: held.clear(); break;
            case 6: ring.arm(bytes.take<std::uint8_t>(), 0); break;
            case 7:
                if (bytes.between(0, 3) == 0) camera->unplug();
                break;
            case 8: camera->break_stream(bytes.between(1, 130)); break;
            case 9: {
                const unsigned long requests[] = {VIDIOC_QBUF, VIDIOC_DQBUF, VIDIOC_STREAMON,
                                                  VIDIOC_STREAMOFF, VIDIOC_REQBUFS};
                const int answers[] = {0, EIO, ENODEV, EINVAL, EPIPE};
                camera->answer(requests[bytes.between(0, 4)], answers[bytes.between(1, 4)]);
                break;
            }
            case 10: camera->deliver_nonsense(); break;
            case 11: camera->sleep_for(bytes.between(0, 1000)); break;
            }
            for (const auto& frame : held) look(frame, whole);
        }
        capture.close(std::chrono::seconds(5));
        for (const auto& frame : held) look(frame, whole);
    } catch (const std::system_error&) {
    } catch (const FormatRefused&) {
    }
    held.clear();
    MUST_HOLD(camera->mapped() == 0 && camera->open_files() == 0);
    return 0;
}
