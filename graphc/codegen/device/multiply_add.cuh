// Multiply-adds of matrix products: *sum += a * b. Floats round once, which must be said, since nothing
// is contracted unasked; integers wrap.

__device__ __forceinline__ void gc_multiply_add_f32(float* sum, float a, float b) {
  *sum = __fmaf_rn(a, b, *sum);
}
__device__ __forceinline__ void gc_multiply_add_f64(double* sum, double a, double b) {
  *sum = __fma_rn(a, b, *sum);
}

#define GC_MULTIPLY_ADD(suffix, type, wrapping)                                                \
  __device__ __forceinline__ void gc_multiply_add_##suffix(type* sum, type a, type b) {        \
    *sum = (type)((wrapping)a * (wrapping)b + (wrapping)*sum);                                 \
  }

GC_MULTIPLY_ADD(i8, signed char, unsigned)
GC_MULTIPLY_ADD(i16, short, unsigned)
GC_MULTIPLY_ADD(i32, int, unsigned)
GC_MULTIPLY_ADD(i64, long long, unsigned long long)
GC_MULTIPLY_ADD(u8, unsigned char, unsigned)
GC_MULTIPLY_ADD(u16, unsigned short, unsigned)
GC_MULTIPLY_ADD(u32, unsigned, unsigned)
GC_MULTIPLY_ADD(u64, unsigned long long, unsigned long long)
