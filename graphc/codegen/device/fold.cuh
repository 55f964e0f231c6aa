// Combining one value of each thread of a block in the order that the kernel IR fixes: thread i with
// thread i + w for w = threads / 2, ..., 1.

// Shuffles move 32 or 64 bits; narrower values travel in an int.
template <class T>
__device__ __forceinline__ T gc_shuffle_down(T value, unsigned distance) {
  if constexpr (sizeof(T) < 4)
    return (T)__shfl_down_sync(0xffffffffu, (int)value, distance);
  else
    return __shfl_down_sync(0xffffffffu, value, distance);
}

// For the first warp, after a barrier: combines values[0 .. threads - 1] into values[threads]. While
// more than a warp is left, thread i holds those of the threads i, i + 32, ... and needs no other.
template <int threads, class T, class Combine>
__device__ __forceinline__ void gc_fold_threads(T* values, Combine combine) {
  constexpr int warps = threads / 32;
  T part[warps];
#pragma unroll
  for (int i = 0; i < warps; ++i) part[i] = values[threadIdx.x + 32 * i];
#pragma unroll
  for (int width = warps / 2; width > 0; width /= 2)
#pragma unroll
    for (int i = 0; i < width; ++i) part[i] = combine(part[i], part[i + width]);
  T value = part[0];
#pragma unroll
  for (unsigned distance = 16; distance > 0; distance /= 2)
    value = combine(value, gc_shuffle_down(value, distance));
  if (threadIdx.x == 0) values[threads] = value;
}
