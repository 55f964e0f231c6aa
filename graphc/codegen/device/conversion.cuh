// Constants without a literal, rounding to the 16-bit formats, and floats to integers.

#define GC_NAN_F32 __uint_as_float(0x7fffffffu)
#define GC_NAN_F64 __longlong_as_double(0x7fffffffffffffffll)
#define GC_INFINITY_F32 __uint_as_float(0x7f800000u)
#define GC_INFINITY_F64 __longlong_as_double(0x7ff0000000000000ll)

// -- f16 and bf16: computed in float, rounded to nearest even --------------------------------------

__device__ __forceinline__ float gc_round_bf16(float x) { return gc_bf16_to_f32(gc_f32_to_bf16(x)); }
__device__ __forceinline__ float gc_round_f16(float x) { return gc_f16_to_f32(gc_f32_to_f16(x)); }
__device__ __forceinline__ float gc_round_f32_bf16(float x) { return gc_round_bf16(x); }
__device__ __forceinline__ float gc_round_f32_f16(float x) { return gc_round_f16(x); }

// A double to a float by rounding to odd: the next rounding, to fewer bits, is then correct
// (S. Boldo and G. Melquiond, 2008).
__device__ __forceinline__ float gc_odd_f32(double x) {
  float near = (float)x;
  unsigned bits = __float_as_uint(near);
  double back = (double)near;
  unsigned away = (back > x) != (x < 0) ? bits - 1u : bits + 1u;
  bool exact = back == x || x != x || (bits & 1u);
  return exact || (bits & 0x7fffffffu) == 0x7f800000u ? near : __uint_as_float(away);
}
__device__ __forceinline__ float gc_round_f64_bf16(double x) { return gc_round_bf16(gc_odd_f32(x)); }
__device__ __forceinline__ float gc_round_f64_f16(double x) { return gc_f16_to_f32(gc_f64_to_f16(x)); }

// 64-bit integers: the bits that a double has no room for are gathered into its last one.
__device__ __forceinline__ double gc_odd_u64(unsigned long long x) {
  return x >> 53 ? (double)(long long)((x >> 11) | ((x & 0x7ffu) != 0)) * 2048.0 : (double)x;
}
__device__ __forceinline__ double gc_odd_i64(long long x) {
  double size = gc_odd_u64(x < 0 ? 0u - (unsigned long long)x : (unsigned long long)x);
  return x < 0 ? -size : size;
}
__device__ __forceinline__ float gc_round_u64_bf16(unsigned long long x) {
  return gc_round_f64_bf16(gc_odd_u64(x));
}
__device__ __forceinline__ float gc_round_u64_f16(unsigned long long x) {
  return gc_round_f64_f16(gc_odd_u64(x));
}
__device__ __forceinline__ float gc_round_i64_bf16(long long x) {
  return gc_round_f64_bf16(gc_odd_i64(x));
}
__device__ __forceinline__ float gc_round_i64_f16(long long x) {
  return gc_round_f64_f16(gc_odd_i64(x));
}

// -- floats to integers: toward zero, saturated, NaN to zero ----------------------------------------

#define GC_TRUNCATE(suffix, type, low, high)                                            \
  __device__ __forceinline__ type gc_truncate_f64_##suffix(double x) {                  \
    bool over = x >= (double)(high), under = x <= (double)(low);                        \
    type inside = (type)(over || under || x != x ? 0.0 : x);                            \
    return over ? (type)(high) : under ? (type)(low) : inside;                          \
  }                                                                                     \
  __device__ __forceinline__ type gc_truncate_f32_##suffix(float x) {                   \
    return gc_truncate_f64_##suffix(x);                                                 \
  }

GC_TRUNCATE(i8, signed char, -128, 127)
GC_TRUNCATE(i16, short, -32768, 32767)
GC_TRUNCATE(i32, int, -2147483647 - 1, 2147483647)
GC_TRUNCATE(i64, long long, -9223372036854775807ll - 1, 9223372036854775807ll)
GC_TRUNCATE(u8, unsigned char, 0, 255)
GC_TRUNCATE(u16, unsigned short, 0, 65535)
GC_TRUNCATE(u32, unsigned, 0, 4294967295u)
GC_TRUNCATE(u64, unsigned long long, 0, 18446744073709551615ull)
