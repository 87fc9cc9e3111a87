// One fast writer, slow readers that pin, readers that wait and readers on the event descriptor:
// run under ThreadSanitizer. Every frame carries a checksum of itself; any torn frame, wrong count
// or frame that goes back in time ends the program with status 1.
#include <poll.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <thread>
#include <vector>

#include "frame_ring.hpp"

using namespace facectrl;

namespace {

constexpr std::size_t kBytes = 4096;
constexpr std::size_t kWords = kBytes / sizeof(std::uint32_t);

std::uint32_t checksum(const std::uint32_t* words) {
    std::uint32_t sum = 17;
    for (std::size_t i = 1; i < kWords; ++i) sum = sum * 31 + words[i];
    return sum;
}

void fill(std::uint8_t* data, std::uint32_t seed) {
    std::vector<std::uint32_t> words(kWords);
    for (std::size_t i = 1; i < kWords; ++i) words[i] = seed * 2654435761u + static_cast<std::uint32_t>(i);
    words[0] = checksum(words.data());
    std::memcpy(data, words.data(), kBytes);
}

void check(const Frame& frame, std::uint64_t& last_seq) {
    std::vector<std::uint32_t> words(kWords);
    std::memcpy(words.data(), frame.data(), kBytes);
    if (words[0] != checksum(words.data())) {
        std::fprintf(stderr, "torn frame %lu\n", static_cast<unsigned long>(frame.seq()));
        std::exit(1);
    }
    if (frame.seq() < last_seq) {
        std::fprintf(stderr, "frame went back in time\n");
        std::exit(1);
    }
    last_seq = frame.seq();
}

}  // namespace

int main(int argc, char** argv) {
    const auto tries = static_cast<std::uint64_t>(argc > 1 ? std::atoll(argv[1]) : 20000);
    const auto ring = FrameRing::create(4, kBytes);
    std::atomic<std::uint64_t> published{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> seen{0};

    std::vector<std::thread> readers;
    for (int hold = 0; hold < 3; ++hold) {  // how many frames this reader keeps pinned
        readers.emplace_back([&, hold] {
            std::deque<std::shared_ptr<Frame>> held;
            std::uint64_t last = 0;
            while (auto frame = ring->wait_newer(last, std::chrono::seconds(30))) {
                check(*frame, last);
                ++seen;
                held.push_back(std::move(frame));
                std::uint64_t before = 0;
                for (const auto& old : held) check(*old, before);
                if (held.size() > static_cast<std::size_t>(hold)) held.pop_front();
            }
        });
    }
    readers.emplace_back([&] {  // the way the program reads: armed, asleep in poll
        std::uint64_t last = 0;
        ring->arm(0, -1.0);
        while (!ring->closed()) {
            pollfd event{ring->event_fd(), POLLIN, 0};
            poll(&event, 1, 30000);
            if (auto frame = ring->latest()) check(*frame, last);
            ring->arm(last, -1.0);
        }
    });
    readers.emplace_back([&] {  // readers that come and go
        std::uint64_t last = 0;
        while (!ring->closed()) {
            if (auto frame = ring->latest()) check(*frame, last);
            std::this_thread::yield();
        }
    });

    for (std::uint64_t i = 0; i < tries; ++i) {
        auto slot = ring->begin_write();
        if (!slot) {
            ++refused;
            std::this_thread::yield();
            continue;
        }
        fill(slot->data(), static_cast<std::uint32_t>(i));
        if (i % 97 == 0) continue;  // given up unpublished
        if (slot->publish(static_cast<double>(i)) != ++published) std::exit(1);
    }
    ring->close();
    for (auto& reader : readers) reader.join();

    const bool exact = ring->published() == published && ring->dropped() == refused;
    std::printf("published %lu dropped %lu seen %lu\n", static_cast<unsigned long>(published),
                static_cast<unsigned long>(refused), static_cast<unsigned long>(seen));
    return exact && seen > 0 ? 0 : 1;
}
