// Preallocated frame slots between one producer and any number of readers.
//
// The producer never waits for a reader and never touches a slot that somebody holds: it takes a
// free one, or drops the frame and counts it. Readers hold a slot through a Frame; frames keep the
// ring's memory alive, so they stay valid after the ring is closed.
//
// The slots are memory of the ring's own, or are lent to it by somebody else, such as a camera's
// driver, who gets each one back when the last reader lets go.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "event_fd.hpp"

namespace facectrl {

class FrameRing;

// Shared ownership of one published slot. The slot goes back to the ring with the last copy.
class Frame {
public:
    Frame(std::shared_ptr<FrameRing> ring, std::size_t slot, std::uint64_t seq, double timestamp);
    ~Frame();
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

    const std::uint8_t* data() const;
    std::uint64_t seq() const { return seq_; }
    double timestamp() const { return timestamp_; }

private:
    std::shared_ptr<FrameRing> ring_;
    std::size_t slot_;
    std::uint64_t seq_;
    double timestamp_;
};

// The producer's exclusive hold on one slot, until it is published or given back unpublished.
class WriteSlot {
public:
    WriteSlot(std::shared_ptr<FrameRing> ring, std::size_t slot);
    ~WriteSlot();
    WriteSlot(const WriteSlot&) = delete;
    WriteSlot& operator=(const WriteSlot&) = delete;

    std::uint8_t* data() const;
    // Until it is published; what was kept of data() must not be written to afterwards.
    bool held() const { return held_; }

    // Makes the slot the newest frame and returns its sequence number (from 1, without gaps);
    // 0 where the ring was closed meanwhile. Throws std::logic_error on a second call.
    std::uint64_t publish(double timestamp);

private:
    std::shared_ptr<FrameRing> ring_;
    std::size_t slot_;
    bool held_ = true;
};

// Whose memory the slots of a ring are, where they are not its own.
class SlotLender {
public:
    virtual ~SlotLender() = default;
    // Neither a reader nor the ring holds the slot any more. Called without the ring's lock, by
    // whoever let go last.
    virtual void slot_returned(std::size_t slot) noexcept = 0;
};

class FrameRing : public std::enable_shared_from_this<FrameRing> {
public:
    // Throws std::invalid_argument on fewer than two slots or an empty slot.
    static std::shared_ptr<FrameRing> create(std::size_t slots, std::size_t slot_bytes);
    // Slots that belong to `lender`, who lives as long as the ring. They are its at first, and
    // the producer publishes them by their number; begin_write has none to give.
    static std::shared_ptr<FrameRing> borrow(std::vector<const std::uint8_t*> slots,
                                             std::size_t slot_bytes,
                                             std::shared_ptr<SlotLender> lender);
    FrameRing(const FrameRing&) = delete;
    FrameRing& operator=(const FrameRing&) = delete;

    // Producer side. begin_write never blocks: null means that every slot is held by a reader
    // (counted as a drop) or that the ring is closed (not counted).
    std::unique_ptr<WriteSlot> begin_write();
    // Blocks until a reader wants a frame that is not there yet, for producers that can wait (a
    // video file). False on timeout or when the ring is closed.
    bool wait_wanted(std::chrono::duration<double> timeout);
    // Whether a reader waits for a frame of that time, for producers to whom a frame is work.
    bool wanted(double timestamp) const;
    // Publishes a borrowed slot; returns as WriteSlot::publish.
    std::uint64_t publish_borrowed(std::size_t slot, double timestamp);
    // Takes the newest frame away if nobody holds it, so that its slot comes back.
    void withdraw_latest();

    // Reader side.
    std::shared_ptr<Frame> latest();
    // Blocks until there is a frame newer than `seq`; null on timeout, or when the ring is closed
    // and holds nothing newer.
    std::shared_ptr<Frame> wait_newer(std::uint64_t seq, std::chrono::duration<double> timeout);
    // Asks for one wake-up through event_fd: it becomes readable once there is a frame newer than
    // `seq` and not older than `not_before`, or when the ring is closed. Frames before that wake
    // nobody. Clears an earlier wake-up.
    void arm(std::uint64_t seq, double not_before);
    int event_fd() const { return event_.fd(); }

    // Wakes everybody. Nothing is published any more; frames that are out stay valid. Borrowed
    // slots that no reader holds go back.
    void close();
    bool closed() const;
    bool borrowed() const { return lender_ != nullptr; }

    std::size_t slots() const { return slots_.size(); }
    std::size_t slot_bytes() const { return slot_bytes_; }
    std::uint64_t published() const;
    std::uint64_t dropped() const;

private:
    friend class Frame;
    friend class WriteSlot;

    enum class State : std::uint8_t { Free, Writing, Published };
    struct Unmap {
        std::size_t bytes;
        void operator()(std::uint8_t* memory) const;
    };
    struct Slot {
        std::unique_ptr<std::uint8_t[], Unmap> memory;  // null where it is borrowed
        const std::uint8_t* data = nullptr;
        State state = State::Free;
        std::size_t readers = 0;
        std::uint64_t seq = 0;
        double timestamp = 0;
    };
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

    FrameRing(std::vector<Slot> slots, std::size_t slot_bytes, std::shared_ptr<SlotLender> lender);
    void hand_back(std::size_t slot) noexcept;
    std::uint64_t publish(std::size_t slot, double timestamp);
    void give_back(std::size_t slot);
    void unpin(std::size_t slot);
    // The following expect the lock to be held.
    std::shared_ptr<Frame> pin_latest();
    std::size_t retire_latest();
    bool is_wanted(double timestamp) const;
    bool arm_is_met() const;
    void signal();

    const std::size_t slot_bytes_;
    const std::shared_ptr<SlotLender> lender_;
    EventFd event_;
    mutable std::mutex mutex_;
    std::condition_variable newer_;
    std::condition_variable wanted_;
    std::vector<Slot> slots_;
    std::size_t latest_ = kNone;
    std::uint64_t published_ = 0;
    std::uint64_t dropped_ = 0;
    std::uint64_t wanted_seq_ = 0;
    bool armed_ = false;
    std::uint64_t armed_seq_ = 0;
    double armed_time_ = 0;
    bool closed_ = false;
};

}  // namespace facectrl
