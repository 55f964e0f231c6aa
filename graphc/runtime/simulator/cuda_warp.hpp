// Warp-wide functions (CUDA C++ Programming Guide, "Warp Shuffle Functions", "Warp Vote Functions",
// "Warp Reduce Functions"). A lane that reads from one that takes no part is a finding.
#pragma once
#include "interface.hpp"

namespace simulator {

template <class T>
struct Shuffle {
  T value;
  unsigned source;
  T result;
};

template <class T>
SIMULATOR_INLINE T shuffle(unsigned lanes, T value, unsigned source) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 32 or 64 bits");
  Shuffle<T> operand = {value, source, value};
  warp_collective(lanes, operand, [](Lanes<Shuffle<T>> all) {
    for (unsigned lane = 0; lane < warp_size; ++lane) {
      if (!all.contains(lane)) continue;
      unsigned source = all[lane].source;
      if (!all.contains(source)) report_inactive_lane(lane, source);
      all[lane].result = all[source].value;
    }
  });
  return operand.result;
}

struct Vote {
  bool predicate;
  unsigned ballot;
};

SIMULATOR_INLINE unsigned ballot(unsigned lanes, bool predicate) {
  Vote operand = {predicate, 0};
  warp_collective(lanes, operand, [](Lanes<Vote> all) {
    unsigned ballot = 0;
    for (unsigned lane = 0; lane < warp_size; ++lane)
      if (all.contains(lane) && all[lane].predicate) ballot |= 1u << lane;
    for (unsigned lane = 0; lane < warp_size; ++lane)
      if (all.contains(lane)) all[lane].ballot = ballot;
  });
  return operand.ballot;
}

template <class T, class Function>
SIMULATOR_INLINE T reduce(unsigned lanes, T value, Function) {
  T operand = value;
  warp_collective(lanes, operand, [](Lanes<T> all) {
    alignas(Function) char stateless[sizeof(Function)] = {};
    auto& combine = *reinterpret_cast<Function*>(stateless);
    unsigned first = static_cast<unsigned>(__builtin_ctz(all.active));
    T result = all[first];
    for (unsigned lane = first + 1; lane < warp_size; ++lane)
      if (all.contains(lane)) result = combine(result, all[lane]);
    for (unsigned lane = first; lane < warp_size; ++lane)
      if (all.contains(lane)) all[lane] = result;
  });
  return operand;
}

}  // namespace simulator

SIMULATOR_INLINE void __syncwarp(unsigned lanes = ~0u) {
  simulator::collective(lanes, nullptr, nullptr, true);
}

// The source lanes are those of the PTX ISA, "shfl.sync": segments of `width` lanes, and a lane keeps
// its own value where the source lies beyond its segment.
template <class T>
SIMULATOR_INLINE T __shfl_sync(unsigned lanes, T value, int source, int width = 32) {
  unsigned segment = simulator::lane() & ~static_cast<unsigned>(width - 1);
  return simulator::shuffle(lanes, value, segment | (static_cast<unsigned>(source) & (width - 1)));
}
template <class T>
SIMULATOR_INLINE T __shfl_up_sync(unsigned lanes, T value, unsigned delta, int width = 32) {
  unsigned lane = simulator::lane(), position = lane & static_cast<unsigned>(width - 1);
  return simulator::shuffle(lanes, value, delta <= position ? lane - delta : lane);
}
template <class T>
SIMULATOR_INLINE T __shfl_down_sync(unsigned lanes, T value, unsigned delta, int width = 32) {
  unsigned lane = simulator::lane(), position = lane & static_cast<unsigned>(width - 1);
  unsigned room = static_cast<unsigned>(width) - 1 - position;
  return simulator::shuffle(lanes, value, delta <= room ? lane + delta : lane);
}
template <class T>
SIMULATOR_INLINE T __shfl_xor_sync(unsigned lanes, T value, int mask, int width = 32) {
  unsigned lane = simulator::lane(), last = lane | static_cast<unsigned>(width - 1);
  unsigned source = lane ^ static_cast<unsigned>(mask);
  return simulator::shuffle(lanes, value, source <= last ? source : lane);
}

SIMULATOR_INLINE unsigned __ballot_sync(unsigned lanes, int predicate) {
  return simulator::ballot(lanes, predicate != 0);
}
SIMULATOR_INLINE int __any_sync(unsigned lanes, int predicate) {
  return simulator::ballot(lanes, predicate != 0) != 0;
}
SIMULATOR_INLINE int __all_sync(unsigned lanes, int predicate) {
  return simulator::ballot(lanes, predicate == 0) == 0;
}

SIMULATOR_INLINE unsigned __reduce_add_sync(unsigned lanes, unsigned value) {
  return simulator::reduce(lanes, value, [](unsigned a, unsigned b) { return a + b; });
}
SIMULATOR_INLINE int __reduce_add_sync(unsigned lanes, int value) {
  return static_cast<int>(__reduce_add_sync(lanes, static_cast<unsigned>(value)));
}
template <class T>
SIMULATOR_INLINE T __reduce_min_sync(unsigned lanes, T value) {
  return simulator::reduce(lanes, value, [](T a, T b) { return b < a ? b : a; });
}
template <class T>
SIMULATOR_INLINE T __reduce_max_sync(unsigned lanes, T value) {
  return simulator::reduce(lanes, value, [](T a, T b) { return a < b ? b : a; });
}
SIMULATOR_INLINE unsigned __reduce_and_sync(unsigned lanes, unsigned value) {
  return simulator::reduce(lanes, value, [](unsigned a, unsigned b) { return a & b; });
}
SIMULATOR_INLINE unsigned __reduce_or_sync(unsigned lanes, unsigned value) {
  return simulator::reduce(lanes, value, [](unsigned a, unsigned b) { return a | b; });
}
SIMULATOR_INLINE unsigned __reduce_xor_sync(unsigned lanes, unsigned value) {
  return simulator::reduce(lanes, value, [](unsigned a, unsigned b) { return a ^ b; });
}
