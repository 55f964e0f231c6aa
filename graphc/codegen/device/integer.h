/* The elementwise operations of integers that C has no operator for, or one of another meaning, for host C
 * and for CUDA C++: they wrap, and what C leaves undefined has a value. Free of branches where a loop
 * should vectorise. */

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
GC_INLINE GC_U64 gc_power_of_bits(GC_U64 x, GC_U64 y) {
    GC_U64 power = 1;
    for (; y; y >>= 1, x *= x) power *= y & 1 ? x : 1;
    return power;
}

/* Euclid's algorithm. */
GC_INLINE GC_U64 gc_gcd_of_bits(GC_U64 a, GC_U64 b) {
    while (b) {
        const GC_U64 rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

GC_SIGNED(i8, signed char, unsigned char, -128)
GC_SIGNED(i16, short, unsigned short, -32768)
GC_SIGNED(i32, int, unsigned, -2147483647 - 1)
GC_SIGNED(i64, GC_I64, GC_U64, -9223372036854775807ll - 1)
GC_UNSIGNED(u8, unsigned char)
GC_UNSIGNED(u16, unsigned short)
GC_UNSIGNED(u32, unsigned)
GC_UNSIGNED(u64, GC_U64)
