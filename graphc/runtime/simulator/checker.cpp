// The checker: kernels are compiled with -fsanitize=thread, whose calls before each access of memory
// come here instead of to a sanitizer's runtime. Shadow cells remember, for each few bytes, the last
// write and two concurrent reads; an access that is not ordered after them is a race.
//
// A launch under the checker runs its blocks one after the other on one thread of the machine, so
// that plain variables suffice; a lock keeps launches of one module apart.
#include "checker.hpp"

#include <algorithm>
#include <mutex>
#include <vector>

#include "ordering.hpp"
#include "shadow.hpp"

// The shared variables of the module: a table that build.py appends to the assembly text.
extern "C" __attribute__((visibility("hidden"))) const simulator::SharedVariable
    simulator_shared_variables[];
// The module's own image: constant tables live there.
extern "C" __attribute__((visibility("hidden"))) const char __ehdr_start[];
extern "C" __attribute__((visibility("hidden"))) const char _end[];

namespace simulator {
namespace {

struct Checker {
  std::mutex launches;
  bool active = false;
  Launch* launch = nullptr;
  std::vector<Region> regions;  // by address
  Region* recent = nullptr;
  Ordering ordering;
};

Checker state;

void add_region(std::uint64_t address, std::uint64_t bytes, bool shared, std::uint32_t index) {
  if (bytes == 0) return;
  Region region{address, address + bytes, index, shared, 0, nullptr, 0};
  allocate_cells(region, coarsest_shift);
  state.regions.push_back(region);
}

void sort_regions() {
  std::sort(state.regions.begin(), state.regions.end(),
            [](const Region& a, const Region& b) { return a.begin < b.begin; });
}

Region* find_region(std::uintptr_t address) {
  Region* region = state.recent;
  if (region && address >= region->begin && address < region->end) return region;
  auto after = std::upper_bound(state.regions.begin(), state.regions.end(), address,
                                [](std::uintptr_t a, const Region& r) { return a < r.begin; });
  if (after == state.regions.begin()) return nullptr;
  region = &*(after - 1);
  if (address >= region->end) return nullptr;
  state.recent = region;
  return region;
}

Place place_of_access(const Access& access, bool write) {
  return {access.code, access.block - 1, access.thread, access.atomic ? 2u : write ? 1u : 0u};
}

Finding describe(Check check, const Thread& thread, std::uintptr_t address, std::size_t bytes,
                 const Region* region, const void* where, Kind kind) {
  Finding finding{};
  finding.check = check;
  finding.bytes = static_cast<std::uint32_t>(bytes);
  finding.region = region ? region->index : no_region;
  finding.offset = region ? address - region->begin : address;
  finding.place = place_of(thread, where);
  finding.place.written = kind == Kind::read ? 0 : kind == Kind::write ? 1 : 2;
  return finding;
}

// The region that an address out of all regions most likely belongs to: the nearest one below it,
// or else above it, within the red zones.
const Region* nearest_region(std::uintptr_t address) {
  constexpr std::uintptr_t reach = 64 * 1024;
  const Region* nearest = nullptr;
  std::uintptr_t distance = reach;
  for (const Region& region : state.regions) {
    std::uintptr_t gap = address >= region.end ? address - region.end + 1 : region.begin - address;
    if (gap < distance) {
      distance = gap;
      nearest = &region;
    }
  }
  return nearest;
}

[[noreturn]] void report_out_of_bounds(Thread& thread, std::uintptr_t address, std::size_t bytes,
                                       const void* where, Kind kind) {
  const Region* region = nearest_region(address);
  report(*state.launch, describe(Check::out_of_bounds, thread, address, bytes, region, where, kind));
  abort_launch(thread);
}

// What an earlier access of a shared variable by another block left behind means nothing.
bool counts(const Access& earlier, const Access& now, bool shared) {
  return earlier.block != 0 && !(shared && earlier.block != now.block);
}

bool races(const Access& earlier, const Access& now, bool shared) {
  return counts(earlier, now, shared) && !(earlier.atomic && now.atomic) && !state.ordering.ordered(earlier, now);
}

void remember_read(Cell& cell, const Access& now, bool shared) {
  Access& first = cell.reads[0];
  Access& second = cell.reads[1];
  if (!counts(first, now, shared) || state.ordering.ordered(first, now)) {
    first = now;
  } else if (!counts(second, now, shared) || state.ordering.ordered(second, now) ||
             second.thread / warp_size == first.thread / warp_size) {
    // Readers of two different warps, where there are such, catch any later writer.
    second = now;
  }
}

struct Conflict {
  Check check;
  const Access* other;
  bool other_writes;
};

// The first rule that the access breaks in this cell, or false.
bool find_conflict(const Cell& cell, const Access& now, Kind kind, bool shared, Conflict& conflict) {
  bool here = counts(cell.write, now, shared);
  if (cell.write.pending && here) {
    conflict = {Check::pending_copy, &cell.write, true};
    return true;
  }
  if (shared && !here && kind != Kind::write) {
    conflict = {Check::uninitialised, nullptr, false};
    return true;
  }
  const Access* other = nullptr;
  if (races(cell.write, now, shared)) other = &cell.write;
  if (!other && kind != Kind::read && races(cell.reads[0], now, shared)) other = &cell.reads[0];
  if (!other && kind != Kind::read && races(cell.reads[1], now, shared)) other = &cell.reads[1];
  if (!other) return false;
  Check check =
      other->block == now.block ? Check::race_in_block : Check::race_between_blocks;
  conflict = {check, other, other == &cell.write};
  return true;
}

void report_conflict(const Conflict& conflict, const Thread& thread, std::uintptr_t address,
                     std::size_t bytes, const Region& region, const void* where, Kind kind) {
  Finding finding = describe(conflict.check, thread, address, bytes, &region, where, kind);
  if (conflict.other) {
    finding.has_other = 1;
    finding.other = place_of_access(*conflict.other, conflict.other_writes);
  }
  report(*state.launch, finding);
}

// An atomic update by the thread whose plain write is remembered tells less than that write: other
// threads' atomic updates race with the one and not with the other.
bool supersedes(const Access& now, const Access& earlier) {
  return !(now.atomic && earlier.block == now.block && !earlier.atomic &&
           earlier.thread == now.thread && earlier.interval == now.interval &&
           earlier.clock == now.clock);
}

// The cells of the access, refined if it covers parts of cells.
Cell* cells_of(Thread& thread, Region& region, std::uintptr_t address, std::size_t bytes,
               const void* where, Kind kind, std::size_t& count) {
  if (bytes > region.end - address) report_out_of_bounds(thread, region.end, bytes, where, kind);
  std::uintptr_t offset = address - region.begin;
  if (std::uintptr_t odd = (offset | bytes) & ((1u << region.shift) - 1))
    refine(region, static_cast<unsigned>(__builtin_ctzl(odd)));
  if (!region.cells) {
    state.launch->out_of_memory = true;
    abort_launch(thread);
  }
  count = bytes >> region.shift;
  return region.cells + (offset >> region.shift);
}

void check_cells(Thread& thread, Region& region, std::uintptr_t address, std::size_t bytes,
                 const void* where, Kind kind, bool start_of_copy) {
  std::size_t count;
  Cell* cells = cells_of(thread, region, address, bytes, where, kind, count);
  auto code = static_cast<std::uint32_t>(code_offset(where));
  if (kind == Kind::atomic) state.ordering.atomic(address, thread.rank);
  Access now = state.ordering.now(code, thread.rank, kind == Kind::atomic);
  bool reported = false;
  for (std::size_t i = 0; i < count; ++i) {
    Cell& cell = cells[i];
    Conflict conflict;
    if (!reported && find_conflict(cell, now, kind, region.shared, conflict)) {
      report_conflict(conflict, thread, address, bytes, region, where, kind);
      reported = true;
    }
    if (kind == Kind::read) {
      remember_read(cell, now, region.shared);
    } else if (supersedes(now, cell.write)) {
      cell.write = now;
      cell.write.pending = start_of_copy;
    }
  }
}

bool in_image(std::uintptr_t address) {
  return address >= reinterpret_cast<std::uintptr_t>(__ehdr_start) &&
         address < reinterpret_cast<std::uintptr_t>(_end);
}

}  // namespace

void check_access(const void* pointer, std::size_t bytes, std::size_t alignment, Kind kind,
                  const void* where) {
  if (!state.active || bytes == 0) return;
  auto address = reinterpret_cast<std::uintptr_t>(pointer);
  auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  if (((address ^ frame) & ~std::uintptr_t{stack_bytes - 1}) == 0) return;
  Thread& thread = self();
  state.active = false;
  Region* region = find_region(address);
  if (region) {
    if (address % alignment) {
      report(*state.launch,
             describe(Check::misaligned, thread, address, bytes, region, where, kind));
      abort_launch(thread);
    }
    check_cells(thread, *region, address, bytes, where, kind, false);
  } else if (kind != Kind::read || !in_image(address) || nearest_region(address)) {
    report_out_of_bounds(thread, address, bytes, where, kind);
  }
  state.active = true;
}

void check_fence() {
  if (state.active) state.ordering.fence(self().rank);
}

void check_read(const void* address, std::size_t bytes) {
  check_access(address, bytes, 1, Kind::read, __builtin_return_address(0));
}

void check_write(void* address, std::size_t bytes) {
  check_access(address, bytes, 1, Kind::write, __builtin_return_address(0));
}

void check_matrix_row(const void* row) {
  check_access(row, 16, 16, Kind::read, __builtin_return_address(0));
}

namespace checker {

void begin_launch(Launch& launch) {
  state.launches.lock();
  state.launch = &launch;
  state.regions.clear();
  state.recent = nullptr;
  state.ordering.begin_launch();
  for (std::uint32_t i = 0; i < launch.buffer_count; ++i)
    add_region(launch.buffers[i].address, launch.buffers[i].bytes, false, i);
  std::uint32_t index = launch.buffer_count;
  for (const SharedVariable* v = simulator_shared_variables; v->name; ++v, ++index)
    add_region(reinterpret_cast<std::uintptr_t>(v->address), v->bytes, true, index);
}

void end_launch(Launch&) {
  for (Region& region : state.regions) free_cells(region);
  state.launch = nullptr;
  state.launches.unlock();
}

void begin_block(Block& block, unsigned char* dynamic_shared) {
  if (block.linear_index == 0) {
    std::uint32_t index = state.launch->buffer_count;
    for (const SharedVariable* v = simulator_shared_variables; v->name; ++v) ++index;
    add_region(reinterpret_cast<std::uintptr_t>(dynamic_shared), state.launch->shared_bytes, true,
               index);
    sort_regions();
  }
  state.ordering.begin_block(static_cast<std::uint32_t>(block.linear_index + 1));
  barrier_passed(block);
}

void suspend() { state.active = false; }

void resume() { state.active = true; }

void barrier_passed(Block& block) {
  unsigned warps = (block.launch->threads() + warp_size - 1) / warp_size;
  state.ordering.barrier_passed(block.interval, warps);
}

void warp_synchronised(unsigned warp, unsigned lanes) {
  state.ordering.warp_synchronised(warp, lanes);
}

void copy_started(Thread& thread, const Copy& copy) {
  state.active = true;
  check_access(copy.global, copy.valid_bytes, 1, Kind::read, copy.where);
  state.active = false;
  auto address = reinterpret_cast<std::uintptr_t>(copy.shared);
  auto source = reinterpret_cast<std::uintptr_t>(copy.global);
  Region* region = find_region(address);
  if (!region || !region->shared)
    report_out_of_bounds(thread, address, copy.bytes, copy.where, Kind::write);
  if (address % copy.bytes || (copy.valid_bytes && source % copy.bytes)) {
    report(*state.launch, describe(Check::misaligned, thread, address, copy.bytes, region,
                                   copy.where, Kind::write));
    abort_launch(thread);
  }
  check_cells(thread, *region, address, copy.bytes, copy.where, Kind::write, true);
}

void copy_landed(Thread& thread, const Copy& copy) {
  auto address = reinterpret_cast<std::uintptr_t>(copy.shared);
  Region* region = find_region(address);
  std::size_t count;
  Cell* cells = cells_of(thread, *region, address, copy.bytes, copy.where, Kind::write, count);
  auto code = static_cast<std::uint32_t>(code_offset(copy.where));
  Access landed = state.ordering.now(code, thread.rank, false);
  for (std::size_t i = 0; i < count; ++i) cells[i].write = landed;
}

}  // namespace checker
}  // namespace simulator

namespace {

const simulator::SharedVariable& shared_variable(unsigned index) {
  static const simulator::SharedVariable dynamic = {nullptr, 0, "dynamic shared memory"};
  const simulator::SharedVariable* variable = simulator_shared_variables;
  while (variable->name && index--) ++variable;
  return variable->name ? *variable : dynamic;
}

}  // namespace

// The regions that are no buffers: shared variables in order, then dynamic shared memory, whose size
// the host knows.
extern "C" __attribute__((visibility("default"))) const char* simulator_shared_name(unsigned index) {
  return shared_variable(index).name;
}
extern "C" __attribute__((visibility("default"))) std::uint64_t simulator_shared_bytes(
    unsigned index) {
  return shared_variable(index).bytes;
}
