// A wake-up that fits into a poll.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace facectrl {

class EventFd {
public:
    EventFd() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    ~EventFd() { ::close(fd_); }
    EventFd(const EventFd&) = delete;
    EventFd& operator=(const EventFd&) = delete;

    int fd() const { return fd_; }
    // Cannot block: the counter is far from its limit.
    void set() { eventfd_write(fd_, 1); }
    void clear() {
        eventfd_t ignored = 0;
        eventfd_read(fd_, &ignored);
    }

private:
    const int fd_;
};

}  // namespace facectrl
