// Runs the blocks of a launch: picks the next thread, releases barriers and warp operations, and
// reports threads that can never meet.
#include <sys/mman.h>

#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "block.hpp"

// The start of this module, defined by the linker.
extern "C" __attribute__((visibility("hidden"))) const char __ehdr_start[];

namespace simulator {

std::uint64_t code_offset(const void* return_address) {
  return static_cast<std::uint64_t>(static_cast<const char*>(return_address) - __ehdr_start);
}

Place place_of(const Thread& thread, const void* where) {
  return {code_offset(where), thread.block->linear_index, thread.rank, 0};
}

void report(Launch& launch, const Finding& finding) {
  Report& report = launch.report;
  while (report.busy.test_and_set(std::memory_order_acquire)) {
  }
  bool known = report.count == max_findings;
  for (std::uint32_t i = 0; i < report.count && !known; ++i) {
    const Finding& earlier = report.findings[i];
    known = earlier.check == finding.check && earlier.place.code == finding.place.code &&
            (!finding.has_other || earlier.other.code == finding.other.code);
  }
  if (!known) report.findings[report.count++] = finding;
  report.busy.clear(std::memory_order_release);
}

namespace {

// splitmix64: any seed gives a full-period sequence.
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

unsigned warps_of(const Launch& launch) { return (launch.threads() + warp_size - 1) / warp_size; }

void mark_ready(Block& block, unsigned warp, std::uint32_t lanes) {
  block.ready[warp] |= lanes;
  while (lanes) {
    unsigned lane = static_cast<unsigned>(__builtin_ctz(lanes));
    lanes &= lanes - 1;
    block.thread(warp * warp_size + lane).state = State::ready;
  }
}

// In order, staying with the current warp while it can run.
Thread* next_in_order(Block& block, unsigned warp) {
  unsigned warps = warps_of(*block.launch);
  for (unsigned i = 0; i < warps; ++i, warp = warp + 1 == warps ? 0 : warp + 1)
    if (block.ready[warp])
      return &block.thread(warp * warp_size + static_cast<unsigned>(__builtin_ctz(block.ready[warp])));
  return nullptr;
}

// Any ready thread with equal chance per warp, then per lane.
Thread* next_at_random(Block& block) {
  unsigned warps = warps_of(*block.launch), candidates = 0, chosen = 0;
  for (unsigned warp = 0; warp < warps; ++warp)
    if (block.ready[warp] && next_random(block.random) % ++candidates == 0) chosen = warp;
  if (!candidates) return nullptr;
  std::uint32_t lanes = block.ready[chosen];
  auto skip = next_random(block.random) % static_cast<unsigned>(__builtin_popcount(lanes));
  while (skip--) lanes &= lanes - 1;
  return &block.thread(chosen * warp_size + static_cast<unsigned>(__builtin_ctz(lanes)));
}

// A running thread is not among the ready ones.
void take_processor(Thread& thread) {
  thread.block->ready[thread.rank / warp_size] &= ~(1u << thread.rank % warp_size);
}

Thread* next_thread(Block& block, unsigned warp) {
  Thread* next = block.launch->seed ? next_at_random(block) : next_in_order(block, warp);
  if (next) take_processor(*next);
  return next;
}

void leave_processor(Thread& thread) {
  Thread* next = next_thread(*thread.block, thread.rank / warp_size);
  if (next == &thread) return;
  if (next) {
    change(thread, *next);
  } else {
    leave(thread, thread.block->main);
  }
}

void report_meeting(Block& block, Check check, const Thread& one, const Thread* other) {
  Finding finding{};
  finding.check = check;
  finding.region = no_region;
  finding.place = place_of(one, one.where);
  if (other) {
    finding.has_other = 1;
    finding.other = place_of(*other, other->where);
  }
  report(*block.launch, finding);
}

void release_barrier(Block& block) {
  block.at_barrier = 0;
  ++block.interval;
  block.last_predicate_count = block.predicate_count;
  block.predicate_count = 0;
  checker::barrier_passed(block);
  for (unsigned warp = 0; warp < warps_of(*block.launch); ++warp)
    mark_ready(block, warp, block.live[warp]);
}

// All threads are at a barrier: the same one, in source.
bool barriers_agree(Block& block, Thread& last) {
  for (unsigned rank = 0; rank < block.launch->threads(); ++rank) {
    Thread& other = block.thread(rank);
    if (other.site == last.site) continue;
    report_meeting(block, Check::divergent_barrier, last, &other);
    return false;
  }
  return true;
}

// Runs the collective that `thread` waits at if all its lanes have arrived; exited lanes take no
// part (CUDA C++ Programming Guide, "Warp Shuffle Functions": all non-exited threads of the mask).
bool complete_collective(Thread& thread) {
  Block& block = *thread.block;
  unsigned warp = thread.rank / warp_size;
  unsigned participants = thread.lanes & block.live[warp];
  void* operands[warp_size] = {};
  for (unsigned rest = participants; rest; rest &= rest - 1) {
    unsigned lane = static_cast<unsigned>(__builtin_ctz(rest));
    Thread& other = block.thread(warp * warp_size + lane);
    if (other.state != State::at_collective || other.perform != thread.perform ||
        other.lanes != thread.lanes)
      return false;
    operands[lane] = other.operand;
  }
  if (thread.perform) {
    checker::suspend();
    thread.perform(operands, participants);
    checker::resume();
  }
  if (thread.orders_memory) checker::warp_synchronised(warp, participants);
  mark_ready(block, warp, participants);
  return true;
}

// A lane that exits may be the one that the others' collective was waiting for.
void complete_collectives_of_warp(Block& block, unsigned warp) {
  for (unsigned rest = block.live[warp]; rest; rest &= rest - 1) {
    Thread& other = block.thread(warp * warp_size + static_cast<unsigned>(__builtin_ctz(rest)));
    if (other.state == State::at_collective) complete_collective(other);
  }
}

void thread_main() {
  Thread& thread = self();
  Block& block = *thread.block;
  checker::resume();
  block.launch->kernel->invoke(block.launch->arguments);
  checker::suspend();
  thread.state = State::exited;
  thread.where = nullptr;
  unsigned warp = thread.rank / warp_size;
  block.live[warp] &= ~(1u << thread.rank % warp_size);
  ++block.exited;
  complete_collectives_of_warp(block, warp);
  leave_processor(thread);
  __builtin_unreachable();
}

// Nothing can run and not all threads have exited: says which threads wait for which.
void report_stall(Block& block) {
  const Thread* barrier = nullptr;
  const Thread* warp_operation = nullptr;
  const Thread* exited = nullptr;
  for (unsigned rank = 0; rank < block.launch->threads(); ++rank) {
    const Thread& thread = block.thread(rank);
    if (thread.state == State::at_barrier && !barrier) barrier = &thread;
    if (thread.state == State::exited && !exited) exited = &thread;
    if (thread.state != State::at_collective) continue;
    if (!warp_operation) warp_operation = &thread;
    bool mismatch = thread.rank / warp_size == warp_operation->rank / warp_size &&
                    (thread.perform != warp_operation->perform ||
                     thread.lanes != warp_operation->lanes);
    if (mismatch) return report_meeting(block, Check::divergent_warp, thread, warp_operation);
  }
  if (warp_operation) {
    report_meeting(block, Check::divergent_warp, *warp_operation, barrier);
  } else {
    Finding finding{};
    finding.check = Check::divergent_barrier;
    finding.region = no_region;
    finding.place = place_of(*barrier, barrier->where);
    if (exited) {
      finding.has_other = 1;
      finding.other = {0, block.linear_index, exited->rank, 0};
    }
    report(*block.launch, finding);
  }
}

void prepare_block(Block& block, std::uint64_t linear_index, unsigned char* dynamic_shared) {
  Launch& launch = *block.launch;
  unsigned threads = launch.threads();
  block.linear_index = linear_index;
  block.at_barrier = block.exited = block.interval = 0;
  block.predicate_count = block.last_predicate_count = 0;
  block.random = launch.seed ^ (linear_index << 20);
  Index index = {static_cast<unsigned>(linear_index % launch.grid.x),
                 static_cast<unsigned>(linear_index / launch.grid.x % launch.grid.y),
                 static_cast<unsigned>(linear_index / launch.grid.x / launch.grid.y)};
  for (unsigned rank = 0; rank < threads; ++rank) {
    Thread& thread = block.thread(rank);
    thread.thread_index = {rank % launch.block.x, rank / launch.block.x % launch.block.y,
                           rank / (launch.block.x * launch.block.y)};
    thread.block_index = index;
    thread.block_dimensions = launch.block;
    thread.grid_dimensions = launch.grid;
    thread.rank = rank;
    thread.state = State::ready;
    thread.dynamic_shared = dynamic_shared;
    thread.block = &block;
    block.copies[rank].count = block.copies[rank].committed = 0;
    block.copies[rank].group_count = 0;
    prepare(thread, thread_main);
  }
  for (unsigned warp = 0; warp < warps_of(launch); ++warp) {
    unsigned lanes = threads - warp * warp_size;
    block.live[warp] = block.ready[warp] = lanes >= warp_size ? ~0u : (1u << lanes) - 1;
  }
}

// Stacks are reserved memory; a free list keeps the touched pages for the next launch.
class StackPool {
 public:
  static constexpr std::size_t size = (max_threads + 1) * stack_bytes;

  unsigned char* acquire() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!free_.empty()) {
        auto* stacks = free_.back();
        free_.pop_back();
        return stacks;
      }
    }
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    auto address = reinterpret_cast<std::uintptr_t>(memory);
    return reinterpret_cast<unsigned char*>((address + stack_bytes - 1) & ~(stack_bytes - 1));
  }

  void release(unsigned char* stacks) {
    std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(stacks);
  }

 private:
  std::mutex mutex_;
  std::vector<unsigned char*> free_;
};

StackPool& stack_pool() {
  static StackPool pool;
  return pool;
}

// Takes blocks in ascending order until none is left: a block that waits for an earlier one's
// result always finds it started.
void run_blocks(Launch& launch) {
  Block block{};
  block.launch = &launch;
  block.stacks = stack_pool().acquire();
  std::vector<CopyQueue> copies(launch.threads());
  block.copies = copies.data();
  constexpr std::size_t alignment = 1024, red_zone = 64 * 1024;
  std::size_t bytes = (launch.shared_bytes + alignment - 1) / alignment * alignment;
  auto* dynamic_shared = static_cast<unsigned char*>(std::aligned_alloc(alignment, bytes + red_zone));
  if (!block.stacks || !dynamic_shared) launch.aborted = launch.out_of_memory = true;
  std::uint64_t index;
  while (!launch.aborted && (index = launch.next_block++) < launch.blocks()) {
    prepare_block(block, index, dynamic_shared);
    checker::begin_block(block, dynamic_shared);
    enter(block.main, *next_thread(block, 0));
    checker::suspend();
    if (!launch.aborted && block.exited != launch.threads()) {
      report_stall(block);
      launch.aborted = true;
    }
  }
  for (CopyQueue& queue : copies) {
    std::free(queue.copies);
    std::free(queue.groups);
  }
  std::free(dynamic_shared);
  if (block.stacks) stack_pool().release(block.stacks);
}

}  // namespace

void abort_launch(Thread& thread) {
  checker::suspend();
  thread.block->launch->aborted = true;
  leave(thread, thread.block->main);
  __builtin_unreachable();
}

unsigned barrier(unsigned site, bool predicate) {
  checker::suspend();
  Thread& thread = self();
  Block& block = *thread.block;
  thread.state = State::at_barrier;
  thread.site = site;
  thread.where = __builtin_return_address(0);
  block.predicate_count += predicate;
  if (++block.at_barrier < block.launch->threads()) {
    leave_processor(thread);
  } else {
    if (!barriers_agree(block, thread)) abort_launch(thread);
    release_barrier(block);
    take_processor(thread);
  }
  checker::resume();
  return block.last_predicate_count;
}

void collective(unsigned lanes, void* operand, Perform perform, bool orders_memory) {
  checker::suspend();
  Thread& thread = self();
  thread.state = State::at_collective;
  thread.lanes = lanes;
  thread.perform = perform;
  thread.operand = operand;
  thread.orders_memory = orders_memory;
  thread.where = __builtin_return_address(0);
  if (!(lanes >> thread.rank % warp_size & 1u)) {
    report_meeting(*thread.block, Check::divergent_warp, thread, nullptr);
    abort_launch(thread);
  }
  if (complete_collective(thread)) {
    take_processor(thread);
  } else {
    leave_processor(thread);
  }
  checker::resume();
}

void yield() {
  checker::suspend();
  Thread& thread = self();
  Block& block = *thread.block;
  // Behind all others: the thread becomes ready only after a successor was chosen.
  Thread* next = next_thread(block, (thread.rank / warp_size + 1) % warps_of(*block.launch));
  block.ready[thread.rank / warp_size] |= 1u << thread.rank % warp_size;
  if (next) {
    change(thread, *next);
  } else {
    take_processor(thread);
    std::this_thread::yield();
  }
  checker::resume();
}

void report_inactive_lane(unsigned reader, unsigned lane) {
  Block& block = *self().block;
  Thread& thread = block.thread(self().rank / warp_size * warp_size + reader);
  Finding finding{};
  finding.check = Check::inactive_lane;
  finding.region = no_region;
  finding.offset = lane;
  finding.place = place_of(thread, thread.where);
  report(*block.launch, finding);
  abort_launch(self());
}

}  // namespace simulator

// Runs a launch and returns the number of findings, or -1 where memory is missing.
// `findings` has room for max_findings.
extern "C" __attribute__((visibility("default"))) int simulator_launch(
    const simulator::Kernel* kernel, void* const* arguments, const unsigned* grid,
    const unsigned* block, std::uint64_t shared_bytes, std::uint64_t seed, unsigned os_threads,
    const simulator::Buffer* buffers, unsigned buffer_count, simulator::Finding* findings) {
  using namespace simulator;
  Launch launch;
  launch.kernel = kernel;
  launch.arguments = arguments;
  launch.grid = {grid[0], grid[1], grid[2]};
  launch.block = {block[0], block[1], block[2]};
  launch.shared_bytes = shared_bytes;
  launch.seed = seed;
  launch.buffers = buffers;
  launch.buffer_count = buffer_count;
  launch.report.findings = findings;
  checker::begin_launch(launch);
  std::vector<std::thread> workers;
  for (unsigned i = 1; i < os_threads && i < launch.blocks(); ++i)
    workers.emplace_back([&] { run_blocks(launch); });
  run_blocks(launch);
  for (std::thread& worker : workers) worker.join();
  checker::end_launch(launch);
  return launch.out_of_memory ? -1 : static_cast<int>(launch.report.count);
}
