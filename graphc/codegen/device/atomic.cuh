// Atomic updates that CUDA has no function for. Integer results do not depend on the order of the
// threads; for sums of floating-point numbers use a reduction of fixed order instead.

// Replaces *address by combine(*address) as one step, and returns what was there.
template <class Combine>
__device__ __forceinline__ float gc_atomic_update_f32(float* address, Combine combine) {
  unsigned* word = (unsigned*)address;
  unsigned seen = atomicAdd(word, 0u), expected;
  do {
    expected = seen;
    seen = atomicCAS(word, expected, __float_as_uint(combine(__uint_as_float(expected))));
  } while (seen != expected);
  return __uint_as_float(seen);
}

__device__ __forceinline__ float gc_atomic_maximum_f32(float* address, float value) {
  return gc_atomic_update_f32(address, [value](float old) { return gc_nan_maximum_f32(old, value); });
}

__device__ __forceinline__ float gc_atomic_minimum_f32(float* address, float value) {
  return gc_atomic_update_f32(address, [value](float old) { return gc_nan_minimum_f32(old, value); });
}
