// The elementwise operations of floats that C has no operator for, or one of another meaning: NaN in, NaN
// out.

// floor_divide and remainder begin with fmod, which is exact. Its result has the sign of a, and wants
// that of b; the quotient is then whole up to its rounding. A zero has the sign of the true quotient, or
// of b.
#define GC_FLOAT(suffix, type, f)                                                                  \
  __device__ __forceinline__ bool gc_isnan_##suffix(type x) { return x != x; }                     \
  __device__ __forceinline__ bool gc_isinf_##suffix(type x) { return x == x && x - x != 0; }       \
  __device__ __forceinline__ bool gc_isfinite_##suffix(type x) { return x - x == 0; }              \
  __device__ __forceinline__ type gc_maximum_##suffix(type x, type y) {                            \
    return gc_nan_maximum_##suffix(x, y);                                                          \
  }                                                                                                \
  __device__ __forceinline__ type gc_minimum_##suffix(type x, type y) {                            \
    return gc_nan_minimum_##suffix(x, y);                                                          \
  }                                                                                                \
  __device__ __forceinline__ type gc_relu_##suffix(type x) { return x <= 0 ? 0 : x; }              \
  __device__ __forceinline__ type gc_sign_##suffix(type x) {                                       \
    return x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x;                                                \
  }                                                                                                \
  __device__ __forceinline__ type gc_abs_##suffix(type x) { return fabs##f(x); }                   \
  __device__ __forceinline__ type gc_copysign_##suffix(type x, type y) { return copysign##f(x, y); } \
  __device__ __forceinline__ type gc_floor_##suffix(type x) { return floor##f(x); }                \
  __device__ __forceinline__ type gc_ceil_##suffix(type x) { return ceil##f(x); }                  \
  __device__ __forceinline__ type gc_trunc_##suffix(type x) { return trunc##f(x); }                \
  __device__ __forceinline__ type gc_round_##suffix(type x) { return rint##f(x); }                 \
  __device__ __forceinline__ type gc_remainder_##suffix(type a, type b) {                          \
    type rest = fmod##f(a, b);                                                                     \
    type moved = (rest < 0) != (b < 0) ? rest + b : rest;                                          \
    return rest == 0 ? copysign##f((type)0, b) : moved;                                                  \
  }                                                                                                \
  __device__ __forceinline__ type gc_floor_divide_##suffix(type a, type b) {                       \
    type rest = fmod##f(a, b);                                                                     \
    type quotient = (a - rest) / b - (rest != 0 && (rest < 0) != (b < 0));                         \
    type down = floor##f(quotient);                                                                \
    type whole = quotient - down > (type)0.5 ? down + 1 : down;                                    \
    type zero = copysign##f((type)0, a / b);                                                             \
    return b == 0 ? a / b : quotient == 0 ? zero : whole;                                          \
  }

GC_FLOAT(f32, float, f)
GC_FLOAT(f64, double, )
