// What a simulated kernel and the simulator's runtime know of each other.
//
// Every CUDA thread is a fiber. Its stack is aligned to its own size, and the Thread record lies near
// the stack's upper end, so that a thread finds itself by its stack pointer: no thread-local
// variable, no register, and no limit on how many simulated modules a process loads.
#pragma once
#include <cstddef>
#include <cstdint>

// A finding names the line of the kernel that an address was inlined at. So what reads, writes or
// waits on behalf of a kernel is a part of it, however little the compiler inlines.
#define SIMULATOR_INLINE inline __attribute__((always_inline))

namespace simulator {

// CUDA grants a thread 512 KiB of local memory at most; pages that no thread touches cost nothing.
// The compiler refuses kernels with larger frames (see build.py).
constexpr std::size_t stack_bytes = 512 * 1024;
constexpr unsigned warp_size = 32;
constexpr unsigned max_threads = 1024;

struct Index {
  unsigned x, y, z;
};

struct Block;

enum class State : unsigned char { ready, at_barrier, at_collective, exited };

// A warp-wide operation runs once, when its last lane has arrived. `operands[i]` is what lane i
// brought, for the lanes of `lanes`; the others are null.
using Perform = void (*)(void* const* operands, unsigned lanes);

struct Thread {
  Index thread_index, block_index, block_dimensions, grid_dimensions;
  unsigned rank;         // linear index in the block
  State state;
  bool orders_memory;    // the collective this thread waits at is a __syncwarp
  unsigned lanes;        // the mask of the collective this thread waits at
  unsigned site;         // the __syncthreads this thread waits at
  Perform perform;
  void* operand;
  const void* where;     // return address of the wait, for reports
  unsigned char* dynamic_shared;
  Block* block;
  void* context;         // saved stack pointer, or a ucontext_t
};

// Equal offsets in stacks a power of two apart would share a few cache sets; so neighbours differ.
SIMULATOR_INLINE Thread& thread_on_stack(std::uintptr_t bottom) {
  constexpr std::uintptr_t record_bytes = (sizeof(Thread) + 63) / 64 * 64;
  constexpr std::uintptr_t step = record_bytes + 256;
  std::uintptr_t color = bottom / stack_bytes % 128;
  return *reinterpret_cast<Thread*>(bottom + stack_bytes - record_bytes - color * step);
}

SIMULATOR_INLINE Thread& self() {
  auto address = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  return thread_on_stack(address & ~std::uintptr_t{stack_bytes - 1});
}

inline unsigned lane() { return self().rank % warp_size; }

// __syncthreads; `site` tells the textual occurrences of the barrier apart. Returns the number of
// threads of the block that came with a true predicate.
unsigned barrier(unsigned site, bool predicate);

// Waits for the lanes of `lanes`, then runs `perform` once; a __syncwarp also orders memory.
void collective(unsigned lanes, void* operand, Perform perform, bool orders_memory);

// Lets other threads run: the only way forward for a thread that waits for another one's write.
void yield();

// The accesses a device function makes on behalf of the calling thread, told to the checker.
#ifdef SIMULATOR_CHECK
void check_read(const void* address, std::size_t bytes);
void check_write(void* address, std::size_t bytes);
// A row of ldmatrix: 16 bytes of shared memory, aligned.
void check_matrix_row(const void* row);
#else
inline void check_read(const void*, std::size_t) {}
inline void check_write(void*, std::size_t) {}
inline void check_matrix_row(const void*) {}
#endif

// cp.async: the copy lands at the wait that covers its group, not before. Bytes beyond
// `valid_bytes` become zero.
void async_copy(void* shared, const void* global, unsigned bytes, unsigned valid_bytes);
void async_commit();
void async_wait(unsigned pending_groups);

// Ends the launch: `reader` wanted the value of a lane that takes no part in the operation.
[[noreturn]] void report_inactive_lane(unsigned reader, unsigned lane);

// A typed view of the operands of a collective.
template <class Operand>
struct Lanes {
  void* const* operands;
  unsigned active;
  Operand& operator[](unsigned lane) const { return *static_cast<Operand*>(operands[lane]); }
  bool contains(unsigned lane) const { return lane < warp_size && (active >> lane & 1u); }
};

// Runs `function(Lanes<Operand>)` once for all lanes of the mask; `function` captures nothing.
template <class Operand, class Function>
SIMULATOR_INLINE void warp_collective(unsigned lanes, Operand& operand, Function) {
  collective(
      lanes, &operand,
      [](void* const* operands, unsigned active) {
        static_assert(sizeof(Function) == 1, "a collective takes its inputs from its operands");
        alignas(Function) char stateless[1] = {};
        (*reinterpret_cast<Function*>(stateless))(Lanes<Operand>{operands, active});
      },
      false);
}

// How the host calls a kernel: through arrays of pointers to its arguments, with the parameter
// types as the compiler saw them.
enum class ParameterKind : unsigned { integer, floating, pointer, other };

struct Parameter {
  ParameterKind kind;
  unsigned bytes;
  unsigned writable;  // a pointer to data that is not const
};

struct Kernel {
  void (*invoke)(void* const* arguments);
  const Parameter* parameters;
  unsigned parameter_count;
};

}  // namespace simulator
