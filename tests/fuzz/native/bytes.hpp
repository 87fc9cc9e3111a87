// Takes choices off a fuzzer's input, from its front.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

// Not assert: that is compiled out of release builds.
#define MUST_HOLD(condition)                                                     \
    do {                                                                         \
        if (!(condition)) {                                                      \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                        \
        }                                                                        \
    } while (false)

class Bytes {
public:
    Bytes(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

    bool empty() const { return left_ == 0; }
    std::size_t left() const { return left_; }

    // Zero where there are no more.
    template <typename T>
    T take() {
        T value{};
        const std::size_t there = left_ < sizeof value ? left_ : sizeof value;
        std::memcpy(&value, data_, there);
        skip(there);
        return value;
    }
    // From `least` to `most`.
    int between(int least, int most) {
        return least + take<std::uint16_t>() % (most - least + 1);
    }
    std::vector<std::uint8_t> some(std::size_t wanted) {
        const std::size_t there = left_ < wanted ? left_ : wanted;
        std::vector<std::uint8_t> taken(data_, data_ + there);
        skip(there);
        return taken;
    }

private:
    void skip(std::size_t count) {
        data_ += count;
        left_ -= count;
    }

    const std::uint8_t* data_;
    std::size_t left_;
};
