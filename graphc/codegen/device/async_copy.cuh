// Asynchronous copies from global to shared memory (PTX ISA, "cp.async"). A copy is issued, its group
// is committed, and it may be read after the thread that issued it has waited and, for other threads,
// a barrier. Of `bytes` the first `valid_bytes` are copied and the rest become zero, so that tiles at
// the edge of a matrix need no branch; the source is not read beyond them.

#ifdef GC_SIMULATOR

SIMULATOR_INLINE void gc_copy_async_16(void* shared, const void* global, unsigned valid_bytes = 16) {
  simulator::async_copy(shared, global, 16, valid_bytes);
}
SIMULATOR_INLINE void gc_copy_async_8(void* shared, const void* global, unsigned valid_bytes = 8) {
  simulator::async_copy(shared, global, 8, valid_bytes);
}
SIMULATOR_INLINE void gc_copy_async_4(void* shared, const void* global, unsigned valid_bytes = 4) {
  simulator::async_copy(shared, global, 4, valid_bytes);
}
SIMULATOR_INLINE void gc_copy_async_commit() { simulator::async_commit(); }
template <int pending_groups>
SIMULATOR_INLINE void gc_copy_async_wait() {
  simulator::async_wait(pending_groups);
}

#else

__device__ __forceinline__ unsigned gc_shared_address(const void* pointer) {
  return (unsigned)__cvta_generic_to_shared(pointer);
}

// PTX ISA, "cp.async": .cg caches in L2 only and exists for 16 bytes alone.
__device__ __forceinline__ void gc_copy_async_16(void* shared, const void* global,
                                                 unsigned valid_bytes = 16) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(gc_shared_address(shared)),
               "l"(global), "r"(valid_bytes)
               : "memory");
}

__device__ __forceinline__ void gc_copy_async_8(void* shared, const void* global,
                                                unsigned valid_bytes = 8) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(gc_shared_address(shared)),
               "l"(global), "r"(valid_bytes)
               : "memory");
}

__device__ __forceinline__ void gc_copy_async_4(void* shared, const void* global,
                                                unsigned valid_bytes = 4) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(gc_shared_address(shared)),
               "l"(global), "r"(valid_bytes)
               : "memory");
}

// PTX ISA, "cp.async.commit_group".
__device__ __forceinline__ void gc_copy_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

// PTX ISA, "cp.async.wait_group": waits until at most this many of the latest groups are pending.
template <int pending_groups>
__device__ __forceinline__ void gc_copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending_groups) : "memory");
}

#endif
