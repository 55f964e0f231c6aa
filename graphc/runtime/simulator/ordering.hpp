// Which accesses are ordered before which: by barriers of the block, by __syncwarp, and between blocks
// by a fence, an atomic operation and another block's later atomic operation on the same address.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "interface.hpp"
#include "shadow.hpp"

namespace simulator {

// Happens-before among the lanes of one warp since the last barrier of the block: known[l][m] is the
// latest clock of lane m that is ordered before what lane l does now.
struct WarpClocks {
  std::uint32_t clock[warp_size];
  std::uint32_t known[warp_size][warp_size];
};

class Ordering {
 public:
  void begin_launch() { released_.clear(); }

  void begin_block(std::uint32_t block) {
    block_ = block;
    acquired_.clear();
    std::fill_n(fenced_, max_threads, false);
  }

  // All accesses of the block so far are ordered before all that follow.
  void barrier_passed(std::uint32_t interval, unsigned warps) {
    interval_ = interval;
    for (unsigned i = 0; i < warps; ++i) {
      std::fill_n(warps_[i].clock, warp_size, 1u);
      std::memset(warps_[i].known, 0, sizeof warps_[i].known);
    }
  }

  void warp_synchronised(unsigned index, unsigned lanes) {
    WarpClocks& warp = warps_[index];
    std::uint32_t joined[warp_size] = {};
    for (unsigned lane = 0; lane < warp_size; ++lane) {
      if (!(lanes >> lane & 1u)) continue;
      for (unsigned i = 0; i < warp_size; ++i) joined[i] = std::max(joined[i], warp.known[lane][i]);
      joined[lane] = std::max(joined[lane], warp.clock[lane]);
    }
    for (unsigned lane = 0; lane < warp_size; ++lane) {
      if (!(lanes >> lane & 1u)) continue;
      std::memcpy(warp.known[lane], joined, sizeof joined);
      // A saturated clock can hide a race after a million __syncwarp, and never invents one.
      warp.clock[lane] = std::min(warp.clock[lane] + 1, last_clock);
    }
  }

  void fence(unsigned thread) { fenced_[thread] = true; }

  // After a fence an atomic operation releases what its thread did, and what its block did before its
  // last barrier. Any atomic operation acquires what earlier ones on its address released: for its
  // thread at once, for the block from the next barrier on.
  void atomic(std::uintptr_t address, unsigned thread) {
    auto found = released_.find(address);
    if (found != released_.end())
      for (const Release& release : found->second)
        if (release.block != block_) acquired_.push_back({release, thread, interval_});
    if (fenced_[thread]) released_[address].push_back({block_, interval_, thread});
  }

  Access now(std::uint32_t code, unsigned thread, bool atomic) const {
    const WarpClocks& warp = warps_[thread / warp_size];
    return {code, block_, interval_, thread, atomic, false, warp.clock[thread % warp_size]};
  }

  bool ordered(const Access& earlier, const Access& now) const {
    if (earlier.block != now.block) return acquired(earlier, now);
    if (earlier.thread == now.thread || earlier.interval != now.interval) return true;
    if (earlier.thread / warp_size != now.thread / warp_size) return false;
    const WarpClocks& warp = warps_[now.thread / warp_size];
    return earlier.clock <= warp.known[now.thread % warp_size][earlier.thread % warp_size];
  }

 private:
  struct Release {
    std::uint32_t block, interval;
    unsigned thread;
  };
  struct Acquisition {
    Release release;
    unsigned thread;
    std::uint32_t interval;
  };

  bool acquired(const Access& earlier, const Access& now) const {
    for (const Acquisition& a : acquired_) {
      bool released = a.release.block == earlier.block &&
                      (earlier.interval < a.release.interval ||
                       (earlier.interval == a.release.interval && earlier.thread == a.release.thread));
      if (released && (now.thread == a.thread || now.interval > a.interval)) return true;
    }
    return false;
  }

  std::uint32_t block_ = 0, interval_ = 0;
  WarpClocks warps_[max_threads / warp_size];
  bool fenced_[max_threads] = {};
  std::unordered_map<std::uintptr_t, std::vector<Release>> released_;
  std::vector<Acquisition> acquired_;
};

}  // namespace simulator
