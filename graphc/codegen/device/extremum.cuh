// Minimum and maximum that return NaN if either operand is one, and order -0 before +0 (IEEE 754-2019,
// "minimum" and "maximum"), so that a reduction's result does not depend on its order.

#ifdef GC_SIMULATOR

static inline float gc_nan_minimum_f32(float a, float b) {
  if (a != a || b != b) return __uint_as_float(0x7fffffff);
  return a < b || (a == b && signbit(a)) ? a : b;
}

static inline float gc_nan_maximum_f32(float a, float b) {
  if (a != a || b != b) return __uint_as_float(0x7fffffff);
  return b < a || (a == b && !signbit(a)) ? a : b;
}

#else

// PTX ISA, "min" and "max": with .NaN the result is the canonical NaN 0x7fffffff.
__device__ __forceinline__ float gc_nan_minimum_f32(float a, float b) {
  float result;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
}

__device__ __forceinline__ float gc_nan_maximum_f32(float a, float b) {
  float result;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
}

#endif

// There is no such instruction for double.
__device__ __forceinline__ double gc_nan_minimum_f64(double a, double b) {
  if (a != a || b != b) return __longlong_as_double(0x7fffffffffffffffll);
  return a < b || (a == b && __double_as_longlong(a) < 0) ? a : b;
}

__device__ __forceinline__ double gc_nan_maximum_f64(double a, double b) {
  if (a != a || b != b) return __longlong_as_double(0x7fffffffffffffffll);
  return b < a || (a == b && __double_as_longlong(a) >= 0) ? a : b;
}
