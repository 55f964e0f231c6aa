// One block of threads in execution, and the launch it belongs to.
#pragma once
#include <atomic>
#include <cstdint>

#include "fiber.hpp"
#include "interface.hpp"

namespace simulator {

// What a launch may find wrong. findings.py lists the same names in the same order.
enum class Check : std::uint32_t {
  out_of_bounds,
  race_in_block,
  race_between_blocks,
  divergent_barrier,
  pending_copy,
  uninitialised,
  divergent_warp,
  inactive_lane,
  misaligned,
  deadlock,
};

struct Place {
  std::uint64_t code;  // return address, relative to the loaded module
  std::uint64_t block;
  std::uint32_t thread;
  std::uint32_t written;  // 0 read, 1 write, 2 atomic
};

// A plain record that Python reads through ctypes.
struct Finding {
  Check check;
  std::uint32_t bytes;
  std::uint32_t region;  // index of the memory touched: buffers, then shared variables
  std::uint32_t has_other;
  std::uint64_t offset;  // in the region
  Place place, other;
};

constexpr std::uint32_t no_region = ~std::uint32_t{0};
constexpr unsigned max_findings = 32;

struct Report {
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  std::uint32_t count = 0;
  Finding* findings = nullptr;
};

// Memory that the launch may touch; only the checker looks at it.
struct Buffer {
  std::uint64_t address, bytes;
};

struct Launch {
  const Kernel* kernel;
  void* const* arguments;
  Index grid, block;
  std::size_t shared_bytes;
  std::uint64_t seed;
  const Buffer* buffers;
  unsigned buffer_count;
  Report report;
  std::atomic<std::uint64_t> next_block{0};
  std::atomic<bool> aborted{false};
  std::atomic<bool> out_of_memory{false};

  std::uint64_t blocks() const { return std::uint64_t{grid.x} * grid.y * grid.z; }
  unsigned threads() const { return block.x * block.y * block.z; }
};

// A launched cp.async that has not landed yet.
struct Copy {
  void* shared;
  const void* global;
  unsigned bytes, valid_bytes;
  const void* where;
};

struct CopyQueue {
  Copy* copies = nullptr;
  unsigned count = 0, capacity = 0;
  unsigned committed = 0;       // copies that belong to a group
  unsigned* groups = nullptr;   // copies in each committed group, oldest first
  unsigned group_count = 0, group_capacity = 0;
};

struct Block {
  Launch* launch;
  std::uint64_t linear_index;
  unsigned char* stacks;
  CopyQueue* copies;
  std::uint32_t ready[max_threads / warp_size];
  std::uint32_t live[max_threads / warp_size];
  unsigned at_barrier, exited;
  unsigned interval;  // barriers passed
  unsigned predicate_count, last_predicate_count;
  std::uint64_t random;
  MainContext main;

  Thread& thread(unsigned rank) {
    return thread_on_stack(reinterpret_cast<std::uintptr_t>(stacks) + rank * stack_bytes);
  }
};

std::uint64_t code_offset(const void* return_address);
Place place_of(const Thread& thread, const void* where);
// Adds a finding unless the launch has one like it.
void report(Launch& launch, const Finding& finding);
// Ends the launch from within a thread; does not return.
[[noreturn]] void abort_launch(Thread& thread);

// What the scheduler tells the checker (checker.cpp), if there is one.
namespace checker {
#ifdef SIMULATOR_CHECK
void begin_launch(Launch& launch);
void end_launch(Launch& launch);
void begin_block(Block& block, unsigned char* dynamic_shared);
// Between suspend and resume the runtime works on a thread's stack, and nothing is checked.
void suspend();
void resume();
void barrier_passed(Block& block);
void warp_synchronised(unsigned warp, unsigned lanes);
void copy_started(Thread& thread, const Copy& copy);
void copy_landed(Thread& thread, const Copy& copy);
#else
inline void begin_launch(Launch&) {}
inline void end_launch(Launch&) {}
inline void begin_block(Block&, unsigned char*) {}
inline void suspend() {}
inline void resume() {}
inline void barrier_passed(Block&) {}
inline void warp_synchronised(unsigned, unsigned) {}
inline void copy_started(Thread&, const Copy&) {}
inline void copy_landed(Thread&, const Copy&) {}
#endif
}  // namespace checker

}  // namespace simulator
