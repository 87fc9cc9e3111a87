// The system calls that talking to a camera takes, as a table: tests play a camera behind it.
#pragma once

#include <poll.h>
#include <time.h>

#include <cstddef>
#include <memory>

namespace facectrl {

// Each returns what its namesake returns and sets errno as that does, but tries again where a
// signal interrupted it.
class SystemCalls {
public:
    static std::shared_ptr<SystemCalls> real();
    virtual ~SystemCalls() = default;

    // For reading and writing, not blocking, not inherited by other programs.
    virtual int open(const char* path);
    virtual int close(int fd);
    virtual int ioctl(int fd, unsigned long request, void* argument);
    // Shared and only to be read.
    virtual void* mmap(std::size_t length, int fd, std::size_t offset);
    virtual int munmap(void* memory, std::size_t length);
    virtual int poll(pollfd* fds, nfds_t count, int timeout_ms);
    // Seconds.
    virtual double clock(clockid_t which);
};

}  // namespace facectrl
