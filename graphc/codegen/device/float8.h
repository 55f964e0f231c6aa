/* The 8-bit floats, for host C and for CUDA C++: held as their codes, so that what moves them changes no
 * bit, and converted from and to float (Open Compute Project, OCP 8-bit Floating Point Specification,
 * 2023). f8e5m2 has the infinities of IEEE 754; f8e4m3 has none, and becomes NaN where it overflows.
 *
 * Bits and not the instructions of GPUs: those are there from sm_89 on, and stay at the largest number
 * where the value overflows. Nothing branches, so that the host's compiler makes vectors of it. */

#ifdef __cplusplus
GC_INLINE unsigned gc_bits_f32(float x) { return __float_as_uint(x); }
GC_INLINE float gc_float_f32(unsigned bits) { return __uint_as_float(bits); }
#endif

/* The bits of the float with the magnitude of a code. A normal number's exponent is moved to its place
 * and biased anew; a subnormal number counts units. */
GC_INLINE unsigned gc_widened_f8(unsigned magnitude, int shift, unsigned bias, float unit) {
  const unsigned normal = (magnitude << shift) + bias;
  const unsigned tiny = gc_bits_f32((float)(int)magnitude * unit);
  return normal < bias + 0x00800000u ? tiny : normal;
}

GC_INLINE float gc_f8e4m3_to_f32(unsigned char code) {
  const unsigned sign = (code & 0x80u) << 24, magnitude = code & 0x7fu;
  const unsigned finite = gc_widened_f8(magnitude, 20, 0x3c000000u, 0.001953125f); /* 2^-9 */
  return gc_float_f32(sign | (magnitude == 0x7fu ? 0x7fc00000u : finite));
}

GC_INLINE float gc_f8e5m2_to_f32(unsigned char code) {
  const unsigned sign = (code & 0x80u) << 24, magnitude = code & 0x7fu;
  const unsigned finite = gc_widened_f8(magnitude, 21, 0x38000000u, 1.52587890625e-05f); /* 2^-16 */
  const unsigned number = magnitude == 0x7cu ? 0x7f800000u : finite;
  return gc_float_f32(sign | (magnitude > 0x7cu ? 0x7fc00000u : number));
}

/* The other way, to the nearest code, of two the even one. A carry out of the significand runs into the
 * exponent, which is where it belongs. A subnormal number is rounded by the addition of a power of two
 * whose last place is the unit. */
GC_INLINE unsigned gc_narrowed_f8(unsigned magnitude, int shift, unsigned bias, float power) {
  const unsigned even = magnitude >> shift & 1u;
  const unsigned normal = (magnitude - bias + (1u << (shift - 1)) - 1u + even) >> shift;
  const unsigned tiny = gc_bits_f32(gc_float_f32(magnitude) + power) - gc_bits_f32(power);
  return magnitude < bias + 0x00800000u ? tiny : normal;
}

GC_INLINE unsigned char gc_f32_to_f8e4m3(float x) {
  const unsigned sign = gc_bits_f32(x) >> 24 & 0x80u, magnitude = gc_bits_f32(x) & 0x7fffffffu;
  const unsigned code = gc_narrowed_f8(magnitude, 20, 0x3c000000u, 16384.0f);
  return (unsigned char)(sign | (code < 0x7fu ? code : 0x7fu));
}

GC_INLINE unsigned char gc_f32_to_f8e5m2(float x) {
  const unsigned sign = gc_bits_f32(x) >> 24 & 0x80u, magnitude = gc_bits_f32(x) & 0x7fffffffu;
  const unsigned code = gc_narrowed_f8(magnitude, 21, 0x38000000u, 128.0f);
  const unsigned number = code < 0x7cu ? code : 0x7cu;
  return (unsigned char)(sign | (number + (magnitude > 0x7f800000u) * 2u)); /* a NaN is 0x7e */
}

GC_INLINE unsigned char gc_f64_to_f8e4m3(double x) { return gc_f32_to_f8e4m3(gc_odd_f32(x)); }
GC_INLINE unsigned char gc_f64_to_f8e5m2(double x) { return gc_f32_to_f8e5m2(gc_odd_f32(x)); }
