// The capture against a camera that misbehaves on demand: run under the sanitizers. Prints the
// name of each check; the first that fails ends the program with status 1.
#include "v4l2_capture.hpp"

#include <cstdio>
#include <functional>
#include <optional>
#include <random>

#include <jpeglib.h>

#include "fake_camera.hpp"

using namespace facectrl;
using namespace std::chrono_literals;

namespace {

#define CHECK(condition)                                                                    \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            std::fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #condition);            \
            std::exit(1);                                                                   \
        }                                                                                   \
    } while (false)

constexpr double kStall = 0.1;
constexpr auto kLong = 20s;

CaptureRequest request(std::uint32_t format = V4L2_PIX_FMT_YUYV) {
    CaptureRequest wanted;
    wanted.path = "/dev/fake";
    wanted.format = format;
    wanted.width = 640;
    wanted.height = 480;
    wanted.interval_numerator = 1;
    wanted.interval_denominator = 100;
    wanted.stall = kStall;
    return wanted;
}

// A camera that never stalls of itself, for checks that take their time.
CaptureRequest patient(std::uint32_t format = V4L2_PIX_FMT_YUYV) {
    CaptureRequest wanted = request(format);
    wanted.stall = 60;
    return wanted;
}

struct Scene {
    std::shared_ptr<FakeCamera> camera = std::make_shared<FakeCamera>();
    std::unique_ptr<V4l2Capture> capture;

    void open(const CaptureRequest& wanted) {
        capture = std::make_unique<V4l2Capture>(camera, wanted);
        wait([&] { return camera->starts() > 0; });
    }
    FrameRing& ring() { return *capture->ring(); }
    std::shared_ptr<Frame> next(std::uint64_t seq) { return ring().wait_newer(seq, kLong); }
    // Delivers, and returns the frame that was made of it.
    std::shared_ptr<Frame> shoot(std::uint8_t shade) {
        const std::uint64_t before = ring().published();
        CHECK(camera->deliver(shade));
        return next(before);
    }
    static void wait(const std::function<bool()>& met) {
        const auto limit = std::chrono::steady_clock::now() + kLong;
        while (!met()) {
            CHECK(std::chrono::steady_clock::now() < limit);
            std::this_thread::yield();
        }
    }
    void wait_closed() {
        wait([&] { return ring().closed(); });
    }
};

void frames_lie_where_the_driver_wrote_them() {
    Scene scene;
    scene.open(patient());
    CHECK(scene.ring().slots() == 4 && scene.camera->queued() == 4);
    auto first = scene.shoot(1);
    CHECK(first->data() == scene.camera->memory(0) && first->data()[0] == 1);
    const auto second = scene.shoot(2);
    CHECK(second->data() == scene.camera->memory(1));
    CHECK(scene.camera->queued() == 2);
    first.reset();  // not the newest any more: back to the driver at once
    CHECK(scene.camera->queued() == 3);
    CHECK(scene.capture->close(kLong));
    CHECK(scene.capture->end() == CaptureEnd::Closed);
    CHECK(scene.camera->open_files() == 0 && scene.camera->mapped() == 1);
    CHECK(second->data()[0] == 2);  // what a reader holds outlives the camera
}

void nothing_stays_mapped_or_open() {
    Scene scene;
    scene.open(patient());
    auto held = scene.shoot(1);
    scene.capture.reset();
    CHECK(scene.camera->mapped() == 1);
    held.reset();
    CHECK(scene.camera->mapped() == 0 && scene.camera->open_files() == 0);
}

void only_the_newest_ready_frame_is_published() {
    Scene scene;
    scene.open(patient());
    scene.camera->hold_back(true);
    for (std::uint8_t shade = 1; shade <= 3; ++shade) CHECK(scene.camera->deliver(shade));
    scene.camera->hold_back(false);
    const auto frame = scene.next(0);
    CHECK(frame->data()[0] == 3 && frame->seq() == 1);
    CHECK(scene.capture->skipped() == 2 && scene.camera->queued() == 3);
}

void damaged_and_short_frames_are_dropped() {
    Scene scene;
    scene.open(patient());
    const std::uint8_t byte = 0;
    const auto whole = static_cast<std::uint32_t>(scene.camera->frame_bytes);
    const double now = scene.camera->clock(CLOCK_MONOTONIC);
    CHECK(scene.camera->deliver(7, V4L2_BUF_FLAG_ERROR));
    CHECK(scene.camera->deliver(whole - 1, 0, now, &byte, 1));
    CHECK(scene.camera->deliver(0, V4L2_BUF_FLAG_ERROR, now, &byte, 1));
    CHECK(scene.camera->deliver(whole + 1, 0, now, &byte, 1));  // more than the buffer holds
    Scene::wait([&] { return scene.capture->broken() == 4 && scene.camera->queued() == 4; });
    CHECK(scene.ring().published() == 0);
    CHECK(scene.shoot(9)->data()[0] == 9);
}

void unplugged_while_streaming() {
    Scene scene;
    scene.open(patient());
    const auto held = scene.shoot(5);
    scene.camera->unplug();
    scene.wait_closed();
    CHECK(scene.capture->end() == CaptureEnd::Unplugged);
    CHECK(scene.capture->close(kLong) && scene.camera->open_files() == 0);
    CHECK(held->data()[0] == 5);
}

void a_driver_that_says_invalid_before_it_says_gone() {
    Scene scene;
    scene.open(patient());
    scene.camera->answer(VIDIOC_QUERYCAP, ENODEV);
    scene.camera->break_stream(EINVAL);
    scene.wait_closed();
    CHECK(scene.capture->end() == CaptureEnd::Unplugged);
}

void a_stream_error_is_cured_by_a_restart_once() {
    Scene scene;
    scene.open(patient());
    const auto held = scene.shoot(1);
    scene.camera->break_stream(EIO);
    Scene::wait([&] { return scene.camera->starts() == 2; });
    Scene::wait([&] { return scene.camera->queued() == 3; });
    CHECK(scene.shoot(2)->data()[0] == 2);
    CHECK(held->data()[0] == 1);
    scene.camera->break_stream(EIO);
    scene.wait_closed();
    CHECK(scene.capture->end() == CaptureEnd::Failed && scene.capture->error() == EIO);
    CHECK(scene.capture->restarts() == 1);
}

void a_stall_is_told_after_one_restart() {
    Scene scene;
    scene.open(request());
    const auto frame = scene.shoot(1);
    scene.wait_closed();
    CHECK(scene.capture->end() == CaptureEnd::Stalled);
    CHECK(scene.capture->restarts() == 1 && scene.camera->starts() == 2);
}

void only_broken_frames_are_no_stall() {
    Scene scene;
    scene.open(request());
    while (!scene.ring().closed()) {
        scene.camera->deliver(0, V4L2_BUF_FLAG_ERROR);
        std::this_thread::yield();
    }
    CHECK(scene.capture->end() == CaptureEnd::Broken);
}

void slow_readers_are_no_stall() {
    Scene scene;
    scene.open(request());
    std::vector<std::shared_ptr<Frame>> held;
    for (std::uint8_t i = 0; i < 4; ++i) held.push_back(scene.shoot(i));
    CHECK(!scene.camera->deliver(0));  // nothing is queued
    CHECK(scene.ring().wait_newer(4, std::chrono::duration<double>(5 * kStall)) == nullptr);
    CHECK(scene.capture->restarts() == 0 && !scene.ring().closed());
    held.pop_back();  // the newest, which nobody holds now, makes room
    Scene::wait([&] { return scene.camera->queued() == 1; });
    CHECK(scene.shoot(8)->data()[0] == 8);
}

void a_short_look_at_the_last_buffer_costs_no_more_than_it_lasts() {
    Scene scene;
    scene.open(patient());
    std::vector<std::shared_ptr<Frame>> held;
    for (std::uint8_t i = 0; i < 4; ++i) held.push_back(scene.shoot(i));
    CHECK(scene.ring().wait_newer(4, 50ms) == nullptr);
    held.pop_back();
    const auto begin = std::chrono::steady_clock::now();
    Scene::wait([&] { return scene.camera->queued() == 1; });
    CHECK(std::chrono::steady_clock::now() - begin < 1s);
}

void unplugged_while_readers_hold_all() {
    Scene scene;
    scene.open(patient());
    std::vector<std::shared_ptr<Frame>> held;
    for (std::uint8_t i = 0; i < 4; ++i) held.push_back(scene.shoot(i));
    scene.camera->unplug();
    scene.wait_closed();
    CHECK(scene.capture->end() == CaptureEnd::Unplugged);
}

void a_restart_while_readers_hold_all_waits_for_them() {
    Scene scene;
    scene.open(patient());
    std::vector<std::shared_ptr<Frame>> held;
    for (std::uint8_t i = 0; i < 3; ++i) held.push_back(scene.shoot(i));
    scene.camera->break_stream(EIO);
    Scene::wait([&] { return scene.camera->starts() == 2; });
    held.push_back(scene.shoot(3));
    CHECK(scene.ring().wait_newer(4, 100ms) == nullptr && !scene.ring().closed());
    held.erase(held.begin());
    CHECK(scene.shoot(9)->data()[0] == 9);
}

void buffers_that_cannot_be_queued_are_no_slow_readers() {
    Scene scene;
    scene.open(request());
    auto frame = scene.shoot(1);
    scene.camera->answer(VIDIOC_QBUF, EIO);
    frame.reset();
    while (!scene.ring().closed()) {
        scene.camera->deliver(2);
        std::this_thread::yield();
    }
    CHECK(scene.capture->end() != CaptureEnd::None);
}

void a_rate_that_cannot_be_meant_delays_nothing() {
    Scene scene;
    scene.camera->interval_given = {1000000, 1};
    scene.open(request());
    CHECK(scene.capture->interval() == 0);
    scene.wait_closed();
    CHECK(scene.capture->end() == CaptureEnd::Stalled);
}

void buffers_that_are_rewritten_are_copied() {
    Scene scene;
    scene.camera->driver = "v4l2 loopback";
    scene.open(patient());
    scene.ring().arm(0, 0.0);
    CHECK(scene.camera->deliver(1));
    const auto first = scene.next(0);
    Scene::wait([&] { return scene.camera->queued() == 4; });
    CHECK(first->data()[0] == 1);
    for (std::size_t i = 0; i < 4; ++i) CHECK(first->data() != scene.camera->memory(i));
    scene.camera->hold_back(true);
    CHECK(scene.camera->deliver(2));
    scene.camera->deliver_again();
    scene.ring().arm(1, 0.0);
    scene.camera->hold_back(false);
    CHECK(scene.next(1)->data()[0] == 2);
    CHECK(scene.capture->restarts() == 0);
}

void a_reader_that_asks_again_after_a_restart_gets_a_frame() {
    Scene scene;
    CaptureRequest wanted = patient();
    scene.camera->driver = "v4l2 loopback";  // only what is wanted is published
    scene.open(wanted);
    scene.ring().arm(0, 0.0);
    CHECK(scene.camera->deliver(1));
    scene.next(0);
    scene.camera->break_stream(EIO);
    Scene::wait([&] { return scene.camera->starts() == 2; });
    std::thread driver([&] {
        while (scene.ring().published() < 2) {
            scene.camera->deliver(2);
            std::this_thread::yield();
        }
    });
    CHECK(scene.next(0)->data()[0] == 2);
    driver.join();
}

void one_damaged_frame_before_a_stall_is_a_stall() {
    Scene scene;
    scene.open(request());
    CHECK(scene.camera->deliver(0, V4L2_BUF_FLAG_ERROR));
    scene.wait_closed();
    CHECK(scene.capture->end() == CaptureEnd::Stalled);
}

void readers_that_hold_all_but_one_get_every_frame() {
    Scene scene;
    scene.open(patient());
    std::vector<std::shared_ptr<Frame>> held;
    for (std::uint8_t i = 0; i < 3; ++i) held.push_back(scene.shoot(i));
    for (std::uint8_t i = 10; i < 20; ++i) {
        CHECK(scene.shoot(i)->data()[0] == i);
        Scene::wait([&] { return scene.camera->queued() == 1; });
    }
    for (std::uint8_t i = 0; i < 3; ++i) CHECK(held[i]->data()[0] == i);
}

void times_never_go_back_and_never_lie_ahead() {
    Scene scene;
    scene.open(patient());
    double before = 0;
    const double start = scene.camera->clock(CLOCK_MONOTONIC);
    for (double time : {start, start + 1000, start - 5, 0.0, -3.0, start}) {
        const std::uint64_t seq = scene.ring().published();
        CHECK(scene.camera->deliver_at(1, time));
        const auto frame = scene.next(seq);
        CHECK(frame->timestamp() > before);
        CHECK(frame->timestamp() <= scene.camera->clock(CLOCK_MONOTONIC));
        before = frame->timestamp();
    }
    // A clock of the driver's own is none of ours.
    CHECK(scene.camera->deliver_at(1, start + 0.001, V4L2_BUF_FLAG_TIMESTAMP_UNKNOWN));
    CHECK(scene.next(6)->timestamp() > before);
}

void pictures_from_before_the_computer_slept_are_not_shown() {
    Scene scene;
    scene.open(patient());
    const auto before = scene.shoot(1);
    scene.camera->sleep_for(3600);
    CHECK(scene.camera->deliver(2));
    Scene::wait([&] { return scene.capture->skipped() == 1; });
    CHECK(scene.shoot(3)->data()[0] == 3);
    CHECK(scene.ring().published() == 2);
}

void nobody_waits_for_a_driver_that_hangs() {
    Scene scene;
    scene.open(patient());
    auto held = scene.shoot(1);
    auto newest = scene.shoot(2);
    scene.camera->hang(true);
    CHECK(!scene.capture->close(10ms));
    CHECK(scene.ring().closed());
    held.reset();  // would wait for ever if it asked the driver
    newest.reset();
    CHECK(!scene.capture->close(0ms));
    scene.camera->hang(false);
    CHECK(scene.capture->close(kLong));
    CHECK(scene.camera->mapped() == 0 && scene.camera->open_files() == 0);
}

void a_driver_that_lies_about_its_buffers() {
    Scene scene;
    scene.open(patient());
    scene.camera->deliver_nonsense();
    Scene::wait([&] { return scene.camera->starts() == 2; });
    scene.camera->deliver_nonsense();
    scene.wait_closed();
    CHECK(scene.capture->end() == CaptureEnd::Failed && scene.capture->error() == EPROTO);
}

template <class Error>
std::optional<Error> refusal(const std::shared_ptr<FakeCamera>& camera,
                             std::uint32_t format = V4L2_PIX_FMT_YUYV) {
    try {
        const V4l2Capture capture(camera, patient(format));
    } catch (const Error& error) {
        return error;
    }
    return std::nullopt;
}

void what_cannot_be_opened_is_told_and_leaves_nothing_behind() {
    for (unsigned long request :
         {VIDIOC_S_FMT, VIDIOC_REQBUFS, VIDIOC_S_PARM, VIDIOC_QBUF, VIDIOC_STREAMON}) {
        const auto camera = std::make_shared<FakeCamera>();
        camera->answer(request, EBUSY);
        const auto error = refusal<std::system_error>(camera);
        CHECK(error && error->code().value() == EBUSY && camera->open_files() == 0);
    }
    const auto mapless = std::make_shared<FakeCamera>();
    mapless->mmap_fails_at = 2;
    CHECK(refusal<std::system_error>(mapless)->code().value() == ENOMEM);
    CHECK(mapless->open_files() == 0 && mapless->mapped() == 0);
    const auto miser = std::make_shared<FakeCamera>();
    miser->buffers_given = 1;
    CHECK(refusal<std::system_error>(miser)->code().value() == ENOMEM);
    const auto other = std::make_shared<FakeCamera>();
    other->format_given = V4L2_PIX_FMT_MJPEG;
    CHECK(refusal<FormatRefused>(other) && other->open_files() == 0);
    const auto short_of_memory = std::make_shared<FakeCamera>();
    short_of_memory->frame_bytes -= 1;
    CHECK(refusal<FormatRefused>(short_of_memory));
    CHECK(short_of_memory->open_files() == 0 && short_of_memory->mapped() == 0);
    const auto gone = std::make_shared<FakeCamera>();
    gone->unplug();
    CHECK(refusal<std::system_error>(gone)->code().value() == ENODEV);
    const auto rateless = std::make_shared<FakeCamera>();
    rateless->answer(VIDIOC_S_PARM, ENOTTY);  // frames come as they come
    CHECK(!refusal<std::system_error>(rateless));
}

void padded_rows_are_taken_as_they_are() {
    Scene scene;
    scene.camera->stride = FakeCamera::kWidth * 2 + 32;
    scene.camera->frame_bytes = scene.camera->stride * FakeCamera::kHeight;
    scene.open(patient());
    CHECK(scene.capture->stride() == scene.camera->stride);
    CHECK(scene.shoot(4)->data()[scene.camera->frame_bytes - 33] == 4);
}

void a_device_that_never_ends_its_list_and_its_name() {
    const auto camera = std::make_shared<FakeCamera>();
    const V4l2Device device(camera, "/dev/fake");
    CHECK(device.identity().card == std::string(32, 'x'));
    CHECK(device.formats().size() == 1000);
}

std::vector<std::uint8_t> jpeg_of(int width, int height, std::uint8_t shade) {
    jpeg_compress_struct jpeg;
    jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    unsigned char* data = nullptr;
    unsigned long size = 0;
    jpeg_mem_dest(&jpeg, &data, &size);
    jpeg.image_width = static_cast<JDIMENSION>(width);
    jpeg.image_height = static_cast<JDIMENSION>(height);
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    std::vector<std::uint8_t> row(static_cast<std::size_t>(width), shade);
    JSAMPROW rows[] = {row.data()};
    for (int y = 0; y < height; ++y) jpeg_write_scanlines(&jpeg, rows, 1);
    jpeg_finish_compress(&jpeg);
    std::vector<std::uint8_t> bytes(data, data + size);
    jpeg_destroy_compress(&jpeg);
    std::free(data);
    return bytes;
}

void compressed_frames_are_decoded_where_they_are_wanted() {
    Scene scene;
    CaptureRequest wanted = patient(V4L2_PIX_FMT_MJPEG);
    wanted.shrink = 2;
    scene.open(wanted);
    CHECK(scene.capture->width() == 32 && scene.capture->height() == 24);
    const auto send = [&](const std::vector<std::uint8_t>& bytes) {
        CHECK(scene.camera->deliver(static_cast<std::uint32_t>(bytes.size()),
                                    V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
                                    scene.camera->clock(CLOCK_MONOTONIC), bytes.data(),
                                    bytes.size()));
    };
    const auto good = jpeg_of(64, 48, 200);
    send(good);
    Scene::wait([&] { return scene.capture->skipped() == 1; });
    CHECK(scene.ring().published() == 0);
    scene.ring().arm(0, 0.0);
    send(std::vector<std::uint8_t>(good.begin(), good.begin() + static_cast<long>(good.size() / 2)));
    Scene::wait([&] { return scene.capture->broken() == 1; });
    send(jpeg_of(32, 48, 200));  // another size than was agreed
    Scene::wait([&] { return scene.capture->broken() == 2; });
    send({1, 2, 3});
    Scene::wait([&] { return scene.capture->broken() == 3; });
    send(good);
    const auto frame = scene.next(0);
    CHECK(frame->data()[0] == 200 && frame->data()[32 * 24 - 1] == 200);
    Scene::wait([&] { return scene.camera->queued() == 4; });  // its buffer is free at once
}

// Readers of every temper and a camera at full speed, closed in the middle.
void readers_and_driver_race() {
    for (int round = 0; round < 6; ++round) {
        Scene scene;
        CaptureRequest wanted = patient();
        wanted.buffers = 8;  // the readers hold six at most
        scene.open(wanted);
        std::atomic<bool> stop{false};
        std::thread driver([&] {
            std::uint8_t shade = 0;
            while (!stop) {
                if (scene.camera->deliver(shade)) ++shade;
                std::this_thread::yield();
            }
        });
        std::vector<std::thread> readers;
        for (unsigned seed = 0; seed < 3; ++seed) {
            readers.emplace_back([&, seed] {
                std::mt19937 random(seed);
                std::deque<std::shared_ptr<Frame>> held;
                std::uint64_t seq = 0;
                while (auto frame = scene.next(seq)) {
                    CHECK(frame->seq() > seq);
                    seq = frame->seq();
                    held.push_back(std::move(frame));
                    for (const auto& each : held) {
                        const auto* data = each->data();
                        CHECK(data[0] == data[scene.camera->frame_bytes - 1]);
                    }
                    while (held.size() > random() % 3) held.pop_front();
                }
            });
        }
        Scene::wait([&] { return scene.ring().published() > 2000; });
        if (round % 2 == 0) scene.camera->unplug();
        CHECK(scene.capture->close(kLong));
        stop = true;
        driver.join();
        for (auto& reader : readers) reader.join();
        CHECK(scene.camera->mapped() == 0 && scene.camera->open_files() == 0);
    }
}

}  // namespace

int main() {
#define RUN(name)           \
    do {                    \
        name();             \
        std::puts(#name);   \
    } while (false)
    RUN(frames_lie_where_the_driver_wrote_them);
    RUN(nothing_stays_mapped_or_open);
    RUN(only_the_newest_ready_frame_is_published);
    RUN(damaged_and_short_frames_are_dropped);
    RUN(unplugged_while_streaming);
    RUN(a_driver_that_says_invalid_before_it_says_gone);
    RUN(a_stream_error_is_cured_by_a_restart_once);
    RUN(a_stall_is_told_after_one_restart);
    RUN(only_broken_frames_are_no_stall);
    RUN(slow_readers_are_no_stall);
    RUN(a_short_look_at_the_last_buffer_costs_no_more_than_it_lasts);
    RUN(unplugged_while_readers_hold_all);
    RUN(a_restart_while_readers_hold_all_waits_for_them);
    RUN(buffers_that_cannot_be_queued_are_no_slow_readers);
    RUN(a_rate_that_cannot_be_meant_delays_nothing);
    RUN(buffers_that_are_rewritten_are_copied);
    RUN(a_reader_that_asks_again_after_a_restart_gets_a_frame);
    RUN(one_damaged_frame_before_a_stall_is_a_stall);
    RUN(readers_that_hold_all_but_one_get_every_frame);
    RUN(times_never_go_back_and_never_lie_ahead);
    RUN(pictures_from_before_the_computer_slept_are_not_shown);
    RUN(nobody_waits_for_a_driver_that_hangs);
    RUN(a_driver_that_lies_about_its_buffers);
    RUN(what_cannot_be_opened_is_told_and_leaves_nothing_behind);
    RUN(padded_rows_are_taken_as_they_are);
    RUN(a_device_that_never_ends_its_list_and_its_name);
    RUN(compressed_frames_are_decoded_where_they_are_wanted);
    RUN(readers_and_driver_race);
    std::puts("done");
}
