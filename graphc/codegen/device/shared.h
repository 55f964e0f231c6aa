/* What texts that are host C and CUDA C++ call by one name. */

#ifdef __cplusplus
#define GC_INLINE __device__ __forceinline__
#define GC_I64 long long
#define GC_U64 unsigned long long
#else
#define GC_INLINE static inline __attribute__((always_inline))
#define GC_I64 int64_t
#define GC_U64 uint64_t
#endif
