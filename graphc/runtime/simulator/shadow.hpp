// Shadow memory: for each region that a launch may touch, cells that remember accesses.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace simulator {

// One access as a shadow cell remembers it; all zero means none.
struct Access {
  std::uint32_t code;      // return address, relative to the module
  std::uint32_t block;     // linear index + 1
  std::uint32_t interval;  // barriers passed in the block
  std::uint32_t thread : 10;
  std::uint32_t atomic : 1;
  std::uint32_t pending : 1;  // a cp.async that has not landed
  std::uint32_t clock : 20;   // the lane's clock in the interval
};
constexpr std::uint32_t last_clock = (1u << 20) - 1;

struct Cell {
  Access write, reads[2];
};

struct Region {
  std::uintptr_t begin, end;
  std::uint32_t index;
  bool shared;
  unsigned shift;  // log2 of the bytes per cell
  Cell* cells;
  std::size_t cells_bytes;
};

// Cells cover at most this many bytes; smaller accesses refine their region.
constexpr unsigned coarsest_shift = 2;

inline void allocate_cells(Region& region, unsigned shift) {
  region.shift = shift;
  region.cells_bytes = (((region.end - region.begin) >> shift) + 1) * sizeof(Cell);
  void* memory = mmap(nullptr, region.cells_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  region.cells = memory == MAP_FAILED ? nullptr : static_cast<Cell*>(memory);
}

// Splits the cells so that each covers 1 << shift bytes.
inline void refine(Region& region, unsigned shift) {
  Region coarse = region;
  allocate_cells(region, shift);
  if (region.cells) {
    std::size_t count = (region.end - region.begin) >> shift;
    for (std::size_t i = 0; i < count; ++i)
      region.cells[i] = coarse.cells[i >> (coarse.shift - shift)];
  }
  munmap(coarse.cells, coarse.cells_bytes);
}

inline void free_cells(Region& region) {
  if (region.cells) munmap(region.cells, region.cells_bytes);
}

}  // namespace simulator
