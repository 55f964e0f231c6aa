// Conversions between float and the 16-bit formats, which live in memory as unsigned short.
// Rounding is to nearest, ties to even; any NaN becomes the canonical 0x7fff, as the hardware's does.

#ifdef GC_SIMULATOR

static inline float gc_bf16_to_f32(unsigned short bits) { return __uint_as_float((unsigned)bits << 16); }

static inline unsigned short gc_f32_to_bf16(float value) {
  if (value != value) return 0x7fff;
  unsigned bits = __float_as_uint(value);
  return (unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float gc_f16_to_f32(unsigned short bits) {
  unsigned sign = (unsigned)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, mantissa = bits & 0x3ff;
  if (exponent == 31)
    return __uint_as_float(mantissa ? 0x7fffffff : sign | 0x7f800000);
  if (exponent) return __uint_as_float(sign | (exponent + 112) << 23 | mantissa << 13);
  float magnitude = (float)mantissa * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

// Rounds a double's bits straight to half precision: by way of float it would round twice.
static inline unsigned short gc_f64_to_f16(double value) {
  if (value != value) return 0x7fff;
  unsigned long long bits = (unsigned long long)__double_as_longlong(value);
  unsigned short sign = (unsigned short)(bits >> 48 & 0x8000);
  int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
  if (exponent > 15) return sign | 0x7c00;
  if (exponent < -25) return sign;
  unsigned long long mantissa = (bits & 0xfffffffffffffull) | 0x10000000000000ull;
  int drop = exponent >= -14 ? 42 : 28 - exponent;
  unsigned long long kept = mantissa >> drop, rest = mantissa & ((1ull << drop) - 1);
  unsigned long long half = 1ull << (drop - 1);
  kept += rest > half || (rest == half && (kept & 1));
  // A carry out of the mantissa runs into the exponent, which is where it belongs.
  unsigned biased = exponent >= -14 ? (unsigned)(exponent + 14) << 10 : 0;
  return sign | (unsigned short)(biased + kept);
}

static inline unsigned short gc_f32_to_f16(float value) { return gc_f64_to_f16((double)value); }

#else

// PTX ISA, "mov": the low half of the register is zero.
__device__ __forceinline__ float gc_bf16_to_f32(unsigned short bits) {
  float value;
  asm("mov.b32 %0, {%1, %2};" : "=f"(value) : "h"((unsigned short)0), "h"(bits));
  return value;
}

// PTX ISA, "cvt".
__device__ __forceinline__ unsigned short gc_f32_to_bf16(float value) {
  unsigned short bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}

__device__ __forceinline__ float gc_f16_to_f32(unsigned short bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

__device__ __forceinline__ unsigned short gc_f32_to_f16(float value) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}

__device__ __forceinline__ unsigned short gc_f64_to_f16(double value) {
  unsigned short bits;
  asm("cvt.rn.f16.f64 %0, %1;" : "=h"(bits) : "d"(value));
  return bits;
}

#endif
