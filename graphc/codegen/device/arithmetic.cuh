// The elementwise operations that C has no operator for, or one of another meaning: each computes what
// the op of its name says, special values included.

// -- integers: they wrap; what C leaves undefined has a value ---------------------------------------

// Division rounds down; by 0 it gives 0. The quotient of the smallest number and -1 wraps.
#define GC_SIGNED(suffix, type, unsigned_type, low)                                                \
  __device__ __forceinline__ type gc_floor_divide_##suffix(type a, type b) {                       \
    bool traps = b == 0 || (a == (low) && b == -1);                                                \
    type by = traps ? 1 : b;                                                                       \
    type quotient = (type)(a / by - (a % by != 0 && (a < 0) != (by < 0)));                         \
    return b == 0 ? 0 : traps ? (low) : quotient;                                                  \
  }                                                                                                \
  __device__ __forceinline__ type gc_remainder_##suffix(type a, type b) {                          \
    bool traps = b == 0 || (a == (low) && b == -1);                                                \
    type rest = (type)(a % (traps ? 1 : b));                                                       \
    return (type)(rest + (rest != 0 && (rest < 0) != (b < 0) ? b : 0));                            \
  }                                                                                                \
  __device__ __forceinline__ type gc_sign_##suffix(type x) { return (type)((x > 0) - (x < 0)); }   \
  __device__ __forceinline__ type gc_abs_##suffix(type x) {                                        \
    return x < 0 ? (type)(0u - (unsigned_type)x) : x;                                              \
  }                                                                                                \
  __device__ __forceinline__ type gc_gcd_##suffix(type a, type b) {                                \
    unsigned_type x = (unsigned_type)gc_abs_##suffix(a);                                           \
    return (type)gc_gcd_of_bits(x, (unsigned_type)gc_abs_##suffix(b));                             \
  }                                                                                                \
  __device__ __forceinline__ type gc_bitwise_right_shift_##suffix(type x, type count) {            \
    constexpr int most = 8 * (int)sizeof(type) - 1;                                                \
    return (type)(x >> ((unsigned_type)count > (unsigned_type)most ? most : (int)count));          \
  }                                                                                                \
  __device__ __forceinline__ type gc_power_##suffix(type x, type y) {                              \
    type inverse = (type)(x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0);                            \
    return y < 0 ? inverse : (type)gc_power_of_bits((unsigned_type)x, (unsigned_type)y);           \
  }                                                                                                \
  GC_INTEGER(suffix, type, unsigned_type)

#define GC_UNSIGNED(suffix, type)                                                                  \
  __device__ __forceinline__ type gc_floor_divide_##suffix(type a, type b) {                       \
    return (type)(b == 0 ? 0 : a / (b == 0 ? 1 : b));                                              \
  }                                                                                                \
  __device__ __forceinline__ type gc_remainder_##suffix(type a, type b) {                          \
    return (type)(b == 0 ? 0 : a % (b == 0 ? 1 : b));                                              \
  }                                                                                                \
  __device__ __forceinline__ type gc_sign_##suffix(type x) { return x != 0; }                      \
  __device__ __forceinline__ type gc_gcd_##suffix(type a, type b) {                                \
    return (type)gc_gcd_of_bits(a, b);                                                             \
  }                                                                                                \
  __device__ __forceinline__ type gc_bitwise_right_shift_##suffix(type x, type count) {            \
    constexpr type most = 8 * sizeof(type) - 1;                                                    \
    return (type)(count > most ? 0 : x >> (count & most));                                         \
  }                                                                                                \
  __device__ __forceinline__ type gc_power_##suffix(type x, type y) {                              \
    return (type)gc_power_of_bits(x, y);                                                           \
  }                                                                                                \
  GC_INTEGER(suffix, type, type)

// Shifting by more than the width, or by a negative count, moves every bit out.
#define GC_INTEGER(suffix, type, unsigned_type)                                                    \
  __device__ __forceinline__ type gc_maximum_##suffix(type x, type y) { return x > y ? x : y; }    \
  __device__ __forceinline__ type gc_minimum_##suffix(type x, type y) { return x < y ? x : y; }    \
  __device__ __forceinline__ type gc_relu_##suffix(type x) { return x > 0 ? x : 0; }               \
  __device__ __forceinline__ type gc_bitwise_left_shift_##suffix(type x, type count) {             \
    constexpr unsigned_type most = 8 * sizeof(type) - 1;                                           \
    unsigned_type by = (unsigned_type)count;                                                       \
    return (type)(by > most ? 0 : (unsigned_type)x << (by & most));                                \
  }

// x to the power y modulo 2^64, by squaring; narrower powers are its low bits.
__device__ __forceinline__ unsigned long long gc_power_of_bits(unsigned long long x,
                                                               unsigned long long y) {
  unsigned long long power = 1;
  for (; y; y >>= 1, x *= x) power *= y & 1 ? x : 1;
  return power;
}

// Euclid's algorithm.
__device__ __forceinline__ unsigned long long gc_gcd_of_bits(unsigned long long a,
                                                             unsigned long long b) {
  while (b) {
    unsigned long long rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

GC_SIGNED(i8, signed char, unsigned char, -128)
GC_SIGNED(i16, short, unsigned short, -32768)
GC_SIGNED(i32, int, unsigned, -2147483647 - 1)
GC_SIGNED(i64, long long, unsigned long long, -9223372036854775807ll - 1)
GC_UNSIGNED(u8, unsigned char)
GC_UNSIGNED(u16, unsigned short)
GC_UNSIGNED(u32, unsigned)
GC_UNSIGNED(u64, unsigned long long)

// -- floats: NaN in, NaN out -------------------------------------------------------------------------

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
