// Any order of calls on a ring: counts add up, frames that are out keep their content.
#include "frame_ring.hpp"

#include <algorithm>
#include <deque>

#include "bytes.hpp"

using namespace facectrl;

namespace {

constexpr std::size_t kBytes = 32;


std::uint8_t shade_of(std::uint64_t seq) { return static_cast<std::uint8_t>(seq * 37); }

bool is_shade(const Frame& frame) {
    return std::all_of(frame.data(), frame.data() + kBytes,
                       [&](std::uint8_t byte) { return byte == shade_of(frame.seq()); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Bytes bytes(data, size);
    const auto slots = static_cast<std::size_t>(bytes.between(2, 6));
    std::shared_ptr<FrameRing> ring = FrameRing::create(slots, kBytes);
    std::deque<std::shared_ptr<Frame>> held;
    std::unique_ptr<WriteSlot> writing;
    std::uint64_t published = 0, dropped = 0;
    double now = 0;
    bool closed = false, gone = false;
    while (!bytes.empty()) {
        switch (bytes.take<std::uint8_t>() % 10) {
        case 0:
        case 1: {
            if (gone || writing) break;
            writing = ring->begin_write();
            if (!writing && !closed) ++dropped;
            MUST_HOLD(!(closed && writing));
            break;
        }
        case 2: {
            if (!writing) break;
            std::fill_n(writing->data(), kBytes, shade_of(published + 1));
            const std::uint64_t seq = writing->publish(now += 0.1);
            MUST_HOLD(seq == (closed ? 0 : published + 1));
            published += closed ? 0 : 1;
            writing.reset();
            break;
        }
        case 3: writing.reset(); break;
        case 4: {
            if (gone) break;
            if (auto frame = ring->latest()) {
                MUST_HOLD(frame->seq() == published && is_shade(*frame));
                held.push_back(std::move(frame));
            }
            break;
        }
        case 5:
            if (!held.empty()) {
                MUST_HOLD(is_shade(*held.front()));
                held.pop_front();
            }
            break;
        case 6: {
            if (gone) break;
            const std::uint64_t seq = bytes.take<std::uint8_t>();
            if (auto frame = ring->wait_newer(seq, std::chrono::seconds(0))) {
                MUST_HOLD(frame->seq() > seq && is_shade(*frame));
                held.push_back(std::move(frame));
            }
            break;
        }
        case 7:
            if (!gone) ring->arm(bytes.take<std::uint8_t>(), now + bytes.between(-3, 3) * 0.1);
            break;
        case 8:
            if (!gone) ring->withdraw_latest();
            break;
        case 9:
            if (bytes.take<std::uint8_t>() < 16 && !gone) {
                ring->close();
                closed = true;
            } else if (bytes.take<std::uint8_t>() < 8 && !writing) {
                // Frames keep the ring's memory alive.
                ring.reset();
                gone = true;
            }
            break;
        }
        if (!gone) {
            MUST_HOLD(ring->published() == published && ring->dropped() == dropped);
            MUST_HOLD(ring->closed() == closed);
        }
    }
    for (const auto& frame : held) MUST_HOLD(is_shade(*frame));
    return 0;
}
