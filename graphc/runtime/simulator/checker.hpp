// The checker's entry points for instrumented code (instrumentation.cpp).
#pragma once
#include "block.hpp"

namespace simulator {

struct SharedVariable {
  const void* address;
  std::uint64_t bytes;
  const char* name;
};

enum class Kind { read, write, atomic };

// One access by the calling thread, `where` being the return address into the kernel. Returns if the
// access may be carried out; otherwise the launch ends here.
void check_access(const void* address, std::size_t bytes, std::size_t alignment, Kind kind,
                  const void* where);

// A __threadfence by the calling thread.
void check_fence();

}  // namespace simulator
