#include "frame_ring.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

namespace facectrl {
namespace {

// wait_for with an endless duration overflows the clock: a year is endless enough here.
std::chrono::nanoseconds bounded(std::chrono::duration<double> timeout) {
    constexpr std::chrono::duration<double> year{365.0 * 24 * 3600};
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::clamp(timeout, std::chrono::duration<double>::zero(), year));
}

}  // namespace

Frame::Frame(std::shared_ptr<FrameRing> ring, std::size_t slot, std::uint64_t seq,
             double timestamp)
    : ring_(std::move(ring)), slot_(slot), seq_(seq), timestamp_(timestamp) {}

Frame::~Frame() { ring_->unpin(slot_); }

const std::uint8_t* Frame::data() const { return ring_->slots_[slot_].data; }

WriteSlot::WriteSlot(std::shared_ptr<FrameRing> ring, std::size_t slot)
    : ring_(std::move(ring)), slot_(slot) {}

WriteSlot::~WriteSlot() {
    if (held_) ring_->give_back(slot_);
}

std::uint8_t* WriteSlot::data() const { return ring_->slots_[slot_].memory.get(); }

std::uint64_t WriteSlot::publish(double timestamp) {
    if (!held_) throw std::logic_error("the slot was published already");
    held_ = false;
    return ring_->publish(slot_, timestamp);
}

void FrameRing::Unmap::operator()(std::uint8_t* memory) const { munmap(memory, bytes); }

std::shared_ptr<FrameRing> FrameRing::create(std::size_t slots, std::size_t slot_bytes) {
    if (slots < 2) throw std::invalid_argument("slots: a ring needs at least two");
    if (slot_bytes == 0) throw std::invalid_argument("slot_bytes: must not be zero");
    std::vector<Slot> own(slots);
    for (Slot& slot : own) {
        // Pages of its own: the heap would keep those of a ring that is gone.
        void* memory = mmap(nullptr, slot_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        slot.memory = {static_cast<std::uint8_t*>(memory), Unmap{slot_bytes}};
        slot.data = slot.memory.get();
    }
    return std::shared_ptr<FrameRing>(new FrameRing(std::move(own), slot_bytes, nullptr));
}

std::shared_ptr<FrameRing> FrameRing::borrow(std::vector<const std::uint8_t*> slots,
                                             std::size_t slot_bytes,
                                             std::shared_ptr<SlotLender> lender) {
    if (slots.size() < 2) throw std::invalid_argument("slots: a ring needs at least two");
    std::vector<Slot> lent(slots.size());
    for (std::size_t i = 0; i < slots.size(); ++i) lent[i].data = slots[i];
    return std::shared_ptr<FrameRing>(
        new FrameRing(std::move(lent), slot_bytes, std::move(lender)));
}

FrameRing::FrameRing(std::vector<Slot> slots, std::size_t slot_bytes,
                     std::shared_ptr<SlotLender> lender)
    : slot_bytes_(slot_bytes), lender_(std::move(lender)), slots_(std::move(slots)) {}

std::unique_ptr<WriteSlot> FrameRing::begin_write() {
    const std::lock_guard lock(mutex_);
    if (closed_ || borrowed()) return nullptr;
    std::size_t chosen = kNone;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        if (slots_[i].state == State::Free) {
            chosen = i;
            break;
        }
    }
    // Every other slot is held: rather lose the newest frame, which nobody holds, than the next.
    if (chosen == kNone && latest_ != kNone && slots_[latest_].readers == 0) {
        chosen = std::exchange(latest_, kNone);
    }
    if (chosen == kNone) {
        ++dropped_;
        return nullptr;
    }
    slots_[chosen].state = State::Writing;
    return std::make_unique<WriteSlot>(shared_from_this(), chosen);
}

bool FrameRing::wait_wanted(std::chrono::duration<double> timeout) {
    std::unique_lock lock(mutex_);
    const auto wanted = [this] {
        return closed_ || is_wanted(std::numeric_limits<double>::infinity());
    };
    return wanted_.wait_for(lock, bounded(timeout), wanted) && !closed_;
}

bool FrameRing::wanted(double timestamp) const {
    const std::lock_guard lock(mutex_);
    return !closed_ && is_wanted(timestamp);
}

bool FrameRing::is_wanted(double timestamp) const {
    return (armed_ && timestamp >= armed_time_) || wanted_seq_ > published_;
}

std::uint64_t FrameRing::publish(std::size_t index, double timestamp) {
    std::size_t returned = kNone;
    std::uint64_t seq = 0;
    {
        const std::lock_guard lock(mutex_);
        Slot& slot = slots_[index];
        if (closed_) {
            slot.state = State::Free;
            returned = index;
        } else {
            returned = retire_latest();
            slot.state = State::Published;
            slot.seq = seq = ++published_;
            slot.timestamp = timestamp;
            latest_ = index;
            if (armed_ && arm_is_met()) signal();
        }
    }
    // Not under the lock, or those who wake up would find it taken and sleep again.
    newer_.notify_all();
    hand_back(returned);
    return seq;
}

std::uint64_t FrameRing::publish_borrowed(std::size_t slot, double timestamp) {
    if (!borrowed()) throw std::logic_error("the slots are the ring's own");
    return publish(slot, timestamp);
}

void FrameRing::withdraw_latest() {
    std::size_t returned = kNone;
    {
        const std::lock_guard lock(mutex_);
        returned = retire_latest();
        if (returned != kNone) latest_ = kNone;
    }
    hand_back(returned);
}

// The newest frame's slot if nobody holds it, which makes it free.
std::size_t FrameRing::retire_latest() {
    if (latest_ == kNone || slots_[latest_].readers != 0) return kNone;
    slots_[latest_].state = State::Free;
    return latest_;
}

// Not under the lock: the lender's own lock and its system call are no business of ours.
void FrameRing::hand_back(std::size_t slot) noexcept {
    if (lender_ != nullptr && slot != kNone) lender_->slot_returned(slot);
}

void FrameRing::give_back(std::size_t index) {
    const std::lock_guard lock(mutex_);
    slots_[index].state = State::Free;
}

void FrameRing::unpin(std::size_t index) {
    std::size_t returned = kNone;
    {
        const std::lock_guard lock(mutex_);
        Slot& slot = slots_[index];
        if (--slot.readers == 0 && index != latest_) {
            slot.state = State::Free;
            returned = index;
        }
    }
    hand_back(returned);
}

std::shared_ptr<Frame> FrameRing::pin_latest() {
    Slot& slot = slots_[latest_];
    auto frame = std::make_shared<Frame>(shared_from_this(), latest_, slot.seq, slot.timestamp);
    ++slot.readers;
    return frame;
}

std::shared_ptr<Frame> FrameRing::latest() {
    const std::lock_guard lock(mutex_);
    return latest_ == kNone ? nullptr : pin_latest();
}

std::shared_ptr<Frame> FrameRing::wait_newer(std::uint64_t seq,
                                             std::chrono::duration<double> timeout) {
    std::unique_lock lock(mutex_);
    const auto newer = [this, seq] { return latest_ != kNone && slots_[latest_].seq > seq; };
    if (!newer()) {
        // What was published already and taken away again is no answer.
        wanted_seq_ = std::max({wanted_seq_, seq + 1, published_ + 1});
        wanted_.notify_all();
    }
    newer_.wait_for(lock, bounded(timeout), [&] { return closed_ || newer(); });
    return newer() ? pin_latest() : nullptr;
}

void FrameRing::arm(std::uint64_t seq, double not_before) {
    const std::lock_guard lock(mutex_);
    event_.clear();
    armed_ = true;
    armed_seq_ = seq;
    armed_time_ = not_before;
    if (closed_ || arm_is_met()) {
        signal();
    } else {
        wanted_.notify_all();
    }
}

bool FrameRing::arm_is_met() const {
    return latest_ != kNone && slots_[latest_].seq > armed_seq_ &&
           slots_[latest_].timestamp >= armed_time_;
}

void FrameRing::signal() {
    armed_ = false;
    event_.set();
}

void FrameRing::close() {
    std::size_t returned = kNone;
    {
        const std::lock_guard lock(mutex_);
        if (closed_) return;
        closed_ = true;
        if (borrowed()) {
            returned = retire_latest();
            latest_ = kNone;
        }
        newer_.notify_all();
        wanted_.notify_all();
        signal();
    }
    hand_back(returned);
}

bool FrameRing::closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
}

std::uint64_t FrameRing::published() const {
    const std::lock_guard lock(mutex_);
    return published_;
}

std::uint64_t FrameRing::dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_;
}

}  // namespace facectrl
