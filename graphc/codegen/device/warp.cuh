// Reductions over the 32 lanes of a full warp. Every lane gets the same bits: lanes combine in pairs
// at distances 16, 8, 4, 2, 1, and each operation is commutative.

template <class T, class Combine>
__device__ __forceinline__ T gc_warp_reduce(T value, Combine combine) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    value = combine(value, __shfl_xor_sync(0xffffffffu, value, distance));
  return value;
}

template <class T>
__device__ __forceinline__ T gc_warp_sum(T value) {
  return gc_warp_reduce(value, [](T a, T b) { return a + b; });
}
