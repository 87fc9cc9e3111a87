#include "system_calls.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace facectrl {
namespace {

template <class Call>
int uninterrupted(Call call) {
    int result;
    do {
        result = call();
    } while (result < 0 && errno == EINTR);
    return result;
}

}  // namespace

std::shared_ptr<SystemCalls> SystemCalls::real() { return std::make_shared<SystemCalls>(); }

int SystemCalls::open(const char* path) {
    return uninterrupted([&] { return ::open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC); });
}

int SystemCalls::close(int fd) { return ::close(fd); }

int SystemCalls::ioctl(int fd, unsigned long request, void* argument) {
    return uninterrupted([&] { return ::ioctl(fd, request, argument); });
}

void* SystemCalls::mmap(std::size_t length, int fd, std::size_t offset) {
    return ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(offset));
}

int SystemCalls::munmap(void* memory, std::size_t length) { return ::munmap(memory, length); }

int SystemCalls::poll(pollfd* fds, nfds_t count, int timeout_ms) {
    return uninterrupted([&] { return ::poll(fds, count, timeout_ms); });
}

double SystemCalls::clock(clockid_t which) {
    timespec now{};
    clock_gettime(which, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace facectrl
