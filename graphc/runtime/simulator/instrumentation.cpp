// The functions that code compiled with -fsanitize=thread calls (gcc/sanitizer.def), and the memory
// functions of the C library, which the linker redirects here (--wrap).
#include "checker.hpp"

using simulator::check_access;
using simulator::Kind;

#define WHERE __builtin_return_address(0)
#define HIDDEN __attribute__((visibility("hidden")))

extern "C" {

HIDDEN void __tsan_init() {}

#define SIZED_ACCESS(bytes)                                                              \
  HIDDEN void __tsan_read##bytes(void* address) {                                        \
    check_access(address, bytes, bytes, Kind::read, WHERE);             \
  }                                                                                      \
  HIDDEN void __tsan_write##bytes(void* address) {                                       \
    check_access(address, bytes, bytes, Kind::write, WHERE);            \
  }                                                                                      \
  HIDDEN void __tsan_unaligned_read##bytes(void* address) {                              \
    check_access(address, bytes, 1, Kind::read, WHERE);                                  \
  }                                                                                      \
  HIDDEN void __tsan_unaligned_write##bytes(void* address) {                             \
    check_access(address, bytes, 1, Kind::write, WHERE);                                 \
  }
SIZED_ACCESS(1)
SIZED_ACCESS(2)
SIZED_ACCESS(4)
SIZED_ACCESS(8)
SIZED_ACCESS(16)

HIDDEN void __tsan_read_range(void* address, std::size_t bytes) {
  check_access(address, bytes, 1, Kind::read, WHERE);
}
HIDDEN void __tsan_write_range(void* address, std::size_t bytes) {
  check_access(address, bytes, 1, Kind::write, WHERE);
}

// Threads of a checked launch take turns, so a plain operation is atomic.
#define ATOMIC_UPDATE(bits, type, name, expression)                                      \
  HIDDEN type __tsan_atomic##bits##_##name(volatile type* address, type value, int) {    \
    check_access(const_cast<type*>(address), sizeof(type), sizeof(type), Kind::atomic,   \
                 WHERE);                                                                 \
    type old = *address;                                                                 \
    *address = static_cast<type>(expression);                                            \
    return old;                                                                          \
  }
#define ATOMIC_ACCESS(bits, type)                                                        \
  HIDDEN type __tsan_atomic##bits##_load(const volatile type* address, int) {            \
    check_access(const_cast<type*>(address), sizeof(type), sizeof(type), Kind::atomic,   \
                 WHERE);                                                                 \
    return *address;                                                                     \
  }                                                                                      \
  HIDDEN void __tsan_atomic##bits##_store(volatile type* address, type value, int) {     \
    check_access(const_cast<type*>(address), sizeof(type), sizeof(type), Kind::atomic,   \
                 WHERE);                                                                 \
    *address = value;                                                                    \
  }                                                                                      \
  HIDDEN int __tsan_atomic##bits##_compare_exchange_strong(                              \
      volatile type* address, type* expected, type desired, int, int) {                  \
    check_access(const_cast<type*>(address), sizeof(type), sizeof(type), Kind::atomic,   \
                 WHERE);                                                                 \
    if (*address == *expected) {                                                         \
      *address = desired;                                                                \
      return 1;                                                                          \
    }                                                                                    \
    *expected = *address;                                                                \
    return 0;                                                                            \
  }                                                                                      \
  ATOMIC_UPDATE(bits, type, exchange, value)                                             \
  ATOMIC_UPDATE(bits, type, fetch_add, old + value)                                      \
  ATOMIC_UPDATE(bits, type, fetch_sub, old - value)                                      \
  ATOMIC_UPDATE(bits, type, fetch_and, old & value)                                      \
  ATOMIC_UPDATE(bits, type, fetch_or, old | value)                                       \
  ATOMIC_UPDATE(bits, type, fetch_xor, old ^ value)
ATOMIC_ACCESS(8, std::uint8_t)
ATOMIC_ACCESS(16, std::uint16_t)
ATOMIC_ACCESS(32, std::uint32_t)
ATOMIC_ACCESS(64, std::uint64_t)

HIDDEN void __tsan_atomic_thread_fence(int) { simulator::check_fence(); }
HIDDEN void __tsan_atomic_signal_fence(int) {}

void* __real_memcpy(void* to, const void* from, std::size_t bytes);
void* __real_memmove(void* to, const void* from, std::size_t bytes);
void* __real_memset(void* to, int value, std::size_t bytes);

HIDDEN void* __wrap_memcpy(void* to, const void* from, std::size_t bytes) {
  check_access(from, bytes, 1, Kind::read, WHERE);
  check_access(to, bytes, 1, Kind::write, WHERE);
  return __real_memcpy(to, from, bytes);
}

HIDDEN void* __wrap_memmove(void* to, const void* from, std::size_t bytes) {
  check_access(from, bytes, 1, Kind::read, WHERE);
  check_access(to, bytes, 1, Kind::write, WHERE);
  return __real_memmove(to, from, bytes);
}

HIDDEN void* __wrap_memset(void* to, int value, std::size_t bytes) {
  check_access(to, bytes, 1, Kind::write, WHERE);
  return __real_memset(to, value, bytes);
}

}  // extern "C"
