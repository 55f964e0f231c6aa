/* The elementwise operations that C has no operator for, or one of another meaning: each computes what
 * the op of its name says, special values included. Free of branches where a loop should vectorise. */

/* -- integers: they wrap; what C leaves undefined has a value --------------------------------------- */

/* Division rounds down; by 0 it gives 0. The quotient of the smallest number and -1 wraps. The divisor
 * is replaced where the quotient traps, and the result put right after. */
#define GC_SIGNED(suffix, type, unsigned_type, low)                                                \
    GC_INLINE type gc_floor_divide_##suffix(type a, type b) {                                      \
        const bool traps = (b == 0) | ((a == (low)) & (b == -1));                                  \
        const type by = traps ? 1 : b;                                                             \
        const type quotient = (type)(a / by - ((a % by != 0) & ((a < 0) != (by < 0))));            \
        return b == 0 ? 0 : quotient;                                                              \
    }                                                                                              \
    GC_INLINE type gc_remainder_##suffix(type a, type b) {                                         \
        const bool traps = (b == 0) | ((a == (low)) & (b == -1));                                  \
        const type rest = (type)(a % (traps ? 1 : b));                                             \
        return (type)(rest + ((rest != 0) & ((rest < 0) != (b < 0)) ? b : 0));                     \
    }                                                                                              \
    GC_INLINE type gc_sign_##suffix(type x) { return (type)((x > 0) - (x < 0)); }                  \
    GC_INLINE type gc_abs_##suffix(type x) {                                                       \
        return x < 0 ? (type)(0u - (unsigned_type)x) : x;                                          \
    }                                                                                              \
    GC_INLINE type gc_gcd_##suffix(type a, type b) {                                               \
        const unsigned_type x = (unsigned_type)gc_abs_##suffix(a);                                 \
        return (type)gc_gcd_of_bits(x, (unsigned_type)gc_abs_##suffix(b));                         \
    }                                                                                              \
    GC_INLINE type gc_bitwise_right_shift_##suffix(type x, type count) {                           \
        const int most = 8 * (int)sizeof(type) - 1;                                                \
        return (type)(x >> ((unsigned_type)count > (unsigned_type)most ? most : (int)count));      \
    }                                                                                              \
    GC_INLINE type gc_power_##suffix(type x, type y) {                                             \
        const type inverse = (type)(x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0);                  \
        return y < 0 ? inverse : (type)gc_power_of_bits((unsigned_type)x, (unsigned_type)y);       \
    }                                                                                              \
    GC_INTEGER(suffix, type, unsigned_type)

#define GC_UNSIGNED(suffix, type)                                                                  \
    GC_INLINE type gc_floor_divide_##suffix(type a, type b) {                                      \
        return (type)(b == 0 ? 0 : a / (b == 0 ? 1 : b));                                          \
    }                                                                                              \
    GC_INLINE type gc_remainder_##suffix(type a, type b) {                                         \
        return (type)(b == 0 ? 0 : a % (b == 0 ? 1 : b));                                          \
    }                                                                                              \
    GC_INLINE type gc_sign_##suffix(type x) { return x != 0; }                                     \
    GC_INLINE type gc_gcd_##suffix(type a, type b) { return (type)gc_gcd_of_bits(a, b); }          \
    GC_INLINE type gc_bitwise_right_shift_##suffix(type x, type count) {                           \
        const type most = 8 * sizeof(type) - 1;                                                    \
        return (type)(count > most ? 0 : x >> (count & most));                                     \
    }                                                                                              \
    GC_INLINE type gc_power_##suffix(type x, type y) { return (type)gc_power_of_bits(x, y); }      \
    GC_INTEGER(suffix, type, type)

/* Shifting by more than the width, or by a negative count, moves every bit out. */
#define GC_INTEGER(suffix, type, unsigned_type)                                                    \
    GC_INLINE type gc_maximum_##suffix(type x, type y) { return x > y ? x : y; }                   \
    GC_INLINE type gc_minimum_##suffix(type x, type y) { return x < y ? x : y; }                   \
    GC_INLINE type gc_relu_##suffix(type x) { return x > 0 ? x : 0; }                              \
    GC_INLINE type gc_bitwise_left_shift_##suffix(type x, type count) {                            \
        const unsigned_type most = 8 * sizeof(type) - 1, by = (unsigned_type)count;                \
        return (type)(by > most ? 0 : (unsigned_type)x << (by & most));                            \
    }

/* x to the power y modulo 2^64, by squaring; narrower powers are its low bits. */
GC_INLINE uint64_t gc_power_of_bits(uint64_t x, uint64_t y) {
    uint64_t power = 1;
    for (; y; y >>= 1, x *= x) power *= y & 1 ? x : 1;
    return power;
}

/* Euclid's algorithm. */
GC_INLINE uint64_t gc_gcd_of_bits(uint64_t a, uint64_t b) {
    while (b) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

GC_SIGNED(i8, int8_t, uint8_t, INT8_MIN)
GC_SIGNED(i16, int16_t, uint16_t, INT16_MIN)
GC_SIGNED(i32, int32_t, uint32_t, INT32_MIN)
GC_SIGNED(i64, int64_t, uint64_t, INT64_MIN)
GC_UNSIGNED(u8, uint8_t)
GC_UNSIGNED(u16, uint16_t)
GC_UNSIGNED(u32, uint32_t)
GC_UNSIGNED(u64, uint64_t)

/* -- floats: NaN in, NaN out ------------------------------------------------------------------------ */

/* -0 is less than 0 for maximum and minimum (IEEE 754-2019), so that folds in any order give one zero.
 *
 * floor_divide and remainder begin with fmod, which is exact. Its result has the sign of a, and wants
 * that of b; the quotient is then whole up to its rounding. A zero has the sign of the true quotient, or
 * of b. */
#define GC_FLOAT(suffix, type, f)                                                                  \
    GC_INLINE bool gc_isnan_##suffix(type x) { return x != x; }                                    \
    GC_INLINE bool gc_isinf_##suffix(type x) { return __builtin_fabs##f(x) == __builtin_inf##f(); }\
    GC_INLINE bool gc_isfinite_##suffix(type x) { return x - x == 0; }                             \
    GC_INLINE type gc_maximum_##suffix(type x, type y) {                                           \
        const type larger = (x == 0) & (y == 0) ? x + y : x > y ? x : y;                           \
        return x != x ? x : larger;                                                                \
    }                                                                                              \
    GC_INLINE type gc_minimum_##suffix(type x, type y) {                                           \
        const type smaller = (x == 0) & (y == 0) ? -(-x - y) : x < y ? x : y;                      \
        return x != x ? x : smaller;                                                               \
    }                                                                                              \
    GC_INLINE type gc_relu_##suffix(type x) { return x <= 0 ? 0 : x; }                             \
    GC_INLINE type gc_sign_##suffix(type x) { return x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x; }    \
    GC_INLINE type gc_abs_##suffix(type x) { return __builtin_fabs##f(x); }                        \
    GC_INLINE type gc_copysign_##suffix(type x, type y) { return __builtin_copysign##f(x, y); }    \
    GC_INLINE type gc_floor_##suffix(type x) { return __builtin_floor##f(x); }                     \
    GC_INLINE type gc_ceil_##suffix(type x) { return __builtin_ceil##f(x); }                       \
    GC_INLINE type gc_trunc_##suffix(type x) { return __builtin_trunc##f(x); }                     \
    GC_INLINE type gc_round_##suffix(type x) { return __builtin_rint##f(x); }                      \
    GC_INLINE type gc_remainder_##suffix(type a, type b) {                                         \
        const type rest = __builtin_fmod##f(a, b);                                                 \
        const type moved = (rest < 0) != (b < 0) ? rest + b : rest;                                \
        return rest == 0 ? __builtin_copysign##f(0, b) : moved;                                    \
    }                                                                                              \
    GC_INLINE type gc_floor_divide_##suffix(type a, type b) {                                      \
        const type rest = __builtin_fmod##f(a, b);                                                 \
        const type quotient = (a - rest) / b - (rest != 0 && (rest < 0) != (b < 0));               \
        const type down = __builtin_floor##f(quotient);                                            \
        const type whole = quotient - down > (type)0.5 ? down + 1 : down;                          \
        const type zero = __builtin_copysign##f(0, a / b);                                         \
        return b == 0 ? a / b : quotient == 0 ? zero : whole;                                      \
    }

GC_FLOAT(f32, float, f)
GC_FLOAT(f64, double, )

/* -- random bits ------------------------------------------------------------------------------------ */

/* The first word of Philox-4x32-10: J. Salmon, M. Moraes, R. Dror and D. Shaw, Parallel Random Numbers:
 * As Easy as 1, 2, 3 (SC 2011). */
GC_INLINE uint32_t gc_philox(uint64_t key, uint64_t stream, uint64_t counter) {
    uint32_t x0 = (uint32_t)counter, x1 = (uint32_t)(counter >> 32);
    uint32_t x2 = (uint32_t)stream, x3 = (uint32_t)(stream >> 32);
    uint32_t key0 = (uint32_t)key, key1 = (uint32_t)(key >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
        const uint64_t first = (uint64_t)0xd2511f53u * x0, second = (uint64_t)0xcd9e8d57u * x2;
        x0 = (uint32_t)(second >> 32) ^ x1 ^ key0;
        x1 = (uint32_t)second;
        x2 = (uint32_t)(first >> 32) ^ x3 ^ key1;
        x3 = (uint32_t)first;
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
    return x0;
}
