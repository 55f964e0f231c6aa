/* Numbers for generated host C: what C itself leaves open, and graphc's numerics contract fixes.
 * Everything is branch-free where a loop must vectorise. */

#define GC_NAN_F32 __builtin_nanf("")
#define GC_NAN_F64 __builtin_nan("")
#define GC_INFINITY_F32 __builtin_inff()
#define GC_INFINITY_F64 __builtin_inf()

/* -- indices: floor division and modulo for a positive divisor ---------------------------------- */

GC_INLINE int64_t gc_index_floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }
GC_INLINE int64_t gc_index_modulo(int64_t a, int64_t b) { return a % b + (a % b < 0 ? b : 0); }
GC_INLINE int64_t gc_index_maximum(int64_t a, int64_t b) { return a > b ? a : b; }
GC_INLINE int64_t gc_index_minimum(int64_t a, int64_t b) { return a < b ? a : b; }

/* -- f16 and bf16: stored as their bits, computed in float, rounded to nearest even -------------- */

GC_INLINE float gc_bf16_to_f32(uint16_t bits) { return gc_float_f32((uint32_t)bits << 16); }

GC_INLINE uint16_t gc_f32_to_bf16(float x) {
    const uint32_t bits = gc_bits_f32(x);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const uint32_t quiet = (bits >> 16) | 0x40u; /* a NaN stays one when its low bits are cut */
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

/* The scaling by 2^112 moves the exponent of an f16 to its place in a float and makes subnormal
 * numbers normal on the way; infinities and NaNs need the full exponent. */
GC_INLINE float gc_f16_to_f32(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t magnitude = (uint32_t)(half & 0x7fffu) << 13;
    const float finite = gc_float_f32(magnitude) * 5.192296858534828e33f; /* 2^112 */
    const uint32_t special = magnitude | 0x7f800000u | (magnitude > 0x0f800000u ? 0x400000u : 0u);
    const uint32_t bits = magnitude >= 0x0f800000u ? special : gc_bits_f32(finite);
    return gc_float_f32(sign | bits);
}

/* Adding a power of two that leaves ten bits below the point lets the addition round; for normal
 * numbers that power depends on the exponent, for subnormal ones it is fixed. */
GC_INLINE uint16_t gc_f32_to_f16(float x) {
    const uint32_t bits = gc_bits_f32(x);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t magnitude = bits & 0x7fffffffu;
    const uint32_t even = (magnitude >> 13) & 1u;
    const uint32_t normal = (magnitude - 0x38000000u + 0xfffu + even) >> 13;
    const uint32_t tiny = gc_bits_f32(gc_float_f32(magnitude) + 0.5f) - 0x3f000000u;
    uint32_t half = magnitude < 0x38800000u ? tiny : normal;
    half = magnitude >= 0x477ff000u ? 0x7c00u : half;
    half = magnitude > 0x7f800000u ? (0x7e00u | (magnitude >> 13 & 0x3ffu)) : half;
    return (uint16_t)(sign | half);
}

GC_INLINE float gc_round_bf16(float x) { return gc_bf16_to_f32(gc_f32_to_bf16(x)); }
GC_INLINE float gc_round_f16(float x) { return gc_f16_to_f32(gc_f32_to_f16(x)); }
GC_INLINE float gc_round_f32_bf16(float x) { return gc_round_bf16(x); }
GC_INLINE float gc_round_f32_f16(float x) { return gc_round_f16(x); }

/* A double to a float by rounding to odd: the next rounding, to fewer bits, is then correct
 * (S. Boldo and G. Melquiond, 2008). */
GC_INLINE float gc_odd_f32(double x) {
    const float near = (float)x;
    const uint32_t bits = gc_bits_f32(near);
    const double back = (double)near;
    const uint32_t away = (back > x) != (x < 0) ? bits - 1u : bits + 1u;
    const bool exact = back == x || x != x || (bits & 1u);
    return exact || (bits & 0x7fffffffu) == 0x7f800000u ? near : gc_float_f32(away);
}
GC_INLINE float gc_round_f64_bf16(double x) { return gc_round_bf16(gc_odd_f32(x)); }
GC_INLINE float gc_round_f64_f16(double x) { return gc_round_f16(gc_odd_f32(x)); }

/* 64-bit integers: the bits that a double has no room for are gathered into its last one. */
GC_INLINE double gc_odd_u64(uint64_t x) {
    return x >> 53 ? (double)(int64_t)((x >> 11) | ((x & 0x7ffu) != 0)) * 2048.0 : (double)x;
}
GC_INLINE double gc_odd_i64(int64_t x) {
    const double size = gc_odd_u64(x < 0 ? 0u - (uint64_t)x : (uint64_t)x);
    return x < 0 ? -size : size;
}
GC_INLINE float gc_round_u64_bf16(uint64_t x) { return gc_round_f64_bf16(gc_odd_u64(x)); }
GC_INLINE float gc_round_u64_f16(uint64_t x) { return gc_round_f64_f16(gc_odd_u64(x)); }
GC_INLINE float gc_round_i64_bf16(int64_t x) { return gc_round_f64_bf16(gc_odd_i64(x)); }
GC_INLINE float gc_round_i64_f16(int64_t x) { return gc_round_f64_f16(gc_odd_i64(x)); }

/* -- floats to integers: toward zero, saturated, NaN to zero ------------------------------------- */

#define GC_TRUNCATE(suffix, type, low, high)                                                      \
    GC_INLINE type gc_truncate_f64_##suffix(double x) {                                           \
        const bool over = x >= (double)(high), under = x <= (double)(low);                        \
        const type inside = (type)(over || under || x != x ? 0.0 : x);                            \
        return over ? (type)(high) : under ? (type)(low) : inside;                                \
    }                                                                                             \
    GC_INLINE type gc_truncate_f32_##suffix(float x) { return gc_truncate_f64_##suffix(x); }

GC_TRUNCATE(i8, int8_t, INT8_MIN, INT8_MAX)
GC_TRUNCATE(i16, int16_t, INT16_MIN, INT16_MAX)
GC_TRUNCATE(i32, int32_t, INT32_MIN, INT32_MAX)
GC_TRUNCATE(i64, int64_t, INT64_MIN, INT64_MAX)
GC_TRUNCATE(u8, uint8_t, 0, UINT8_MAX)
GC_TRUNCATE(u16, uint16_t, 0, UINT16_MAX)
GC_TRUNCATE(u32, uint32_t, 0, UINT32_MAX)
GC_TRUNCATE(u64, uint64_t, 0, UINT64_MAX)
