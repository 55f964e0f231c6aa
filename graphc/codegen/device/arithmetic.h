/* The elementwise operations of floats that C has no operator for, or one of another meaning: NaN in, NaN
 * out, and free of branches where a loop should vectorise. */

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
