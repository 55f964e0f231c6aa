/* Complex numbers, for host C and for CUDA C++: a pair of floats, and each op of the numbers as a function.
 *
 * Products and quotients are the formulas that their ops state, each operation rounded. The functions of
 * one variable are computed in double for both dtypes, from real functions, and give what C99 Annex G
 * asks for infinities, NaN and signed zeros; where it leaves a sign open, so do they. */

#ifdef __cplusplus
#define GC_COMPLEX_INLINE __device__ __forceinline__
#define GC_COMPLEX_ALIGNED(bytes) __align__(bytes)
#define GC_FUSED_F32(a, b, c) __fmaf_rn(a, b, c)
#define GC_FUSED_F64(a, b, c) __fma_rn(a, b, c)
#else
#define GC_COMPLEX_INLINE GC_INLINE
#define GC_COMPLEX_ALIGNED(bytes)
#define GC_FUSED_F32(a, b, c) __builtin_fmaf(a, b, c)
#define GC_FUSED_F64(a, b, c) __builtin_fma(a, b, c)
#endif

/* GCC 12 contracts the pairs of products and sums of complex numbers even where it is told to contract
 * nothing, unless something stands between them. */
#if !defined(__cplusplus) && defined(__has_builtin)
#if __has_builtin(__builtin_assoc_barrier)
#define GC_ROUNDED(x) __builtin_assoc_barrier(x)
#endif
#endif
#ifndef GC_ROUNDED
#define GC_ROUNDED(x) (x)
#endif

typedef struct GC_COMPLEX_ALIGNED(8) { float re, im; } gc_c64;
typedef struct GC_COMPLEX_ALIGNED(16) { double re, im; } gc_c128;

/* -- what both dtypes have ---------------------------------------------------------------------------- */

/* Division is R. Smith's (Algorithm 116, 1962): no square of the divisor overflows. A number divided by
 * zero is infinite or NaN in each part. `multiply_add` is one step of a matrix product. */
#define GC_COMPLEX(suffix, ctype, part, real, FUSED)                                               \
  GC_COMPLEX_INLINE ctype gc_complex_##part(real re, real im) {                                    \
    ctype z;                                                                                       \
    z.re = re;                                                                                     \
    z.im = im;                                                                                     \
    return z;                                                                                      \
  }                                                                                                \
  GC_COMPLEX_INLINE real gc_real_##suffix(ctype z) { return z.re; }                                \
  GC_COMPLEX_INLINE real gc_imag_##suffix(ctype z) { return z.im; }                                \
  GC_COMPLEX_INLINE ctype gc_conj_##suffix(ctype z) { return gc_complex_##part(z.re, -z.im); }     \
  GC_COMPLEX_INLINE ctype gc_negative_##suffix(ctype z) { return gc_complex_##part(-z.re, -z.im); } \
  GC_COMPLEX_INLINE real gc_abs_##suffix(ctype z) { return gc_hypot_##part(z.re, z.im); }          \
  GC_COMPLEX_INLINE ctype gc_add_##suffix(ctype a, ctype b) {                                      \
    return gc_complex_##part(a.re + b.re, a.im + b.im);                                            \
  }                                                                                                \
  GC_COMPLEX_INLINE ctype gc_subtract_##suffix(ctype a, ctype b) {                                 \
    return gc_complex_##part(a.re - b.re, a.im - b.im);                                            \
  }                                                                                                \
  GC_COMPLEX_INLINE ctype gc_multiply_##suffix(ctype a, ctype b) {                                 \
    return gc_complex_##part(GC_ROUNDED(a.re * b.re) - GC_ROUNDED(a.im * b.im),                    \
                             GC_ROUNDED(a.re * b.im) + GC_ROUNDED(a.im * b.re));                   \
  }                                                                                                \
  GC_COMPLEX_INLINE ctype gc_divide_##suffix(ctype a, ctype b) {                                   \
    if (b.re == 0 && b.im == 0) {                                                                  \
      real zero = gc_abs_##part(b.re);                                                             \
      return gc_complex_##part(a.re / zero, a.im / zero);                                          \
    }                                                                                              \
    if (gc_abs_##part(b.re) >= gc_abs_##part(b.im)) {                                              \
      real ratio = b.im / b.re, scale = 1 / (b.re + b.im * ratio);                                 \
      return gc_complex_##part((a.re + GC_ROUNDED(a.im * ratio)) * scale,                          \
                               (a.im - GC_ROUNDED(a.re * ratio)) * scale);                         \
    }                                                                                              \
    real ratio = b.re / b.im, scale = 1 / (b.im + b.re * ratio);                                   \
    return gc_complex_##part((GC_ROUNDED(a.re * ratio) + a.im) * scale,                            \
                             (GC_ROUNDED(a.im * ratio) - a.re) * scale);                           \
  }                                                                                                \
  GC_COMPLEX_INLINE bool gc_equal_##suffix(ctype a, ctype b) {                                     \
    return a.re == b.re && a.im == b.im;                                                           \
  }                                                                                                \
  GC_COMPLEX_INLINE bool gc_not_equal_##suffix(ctype a, ctype b) {                                 \
    return a.re != b.re || a.im != b.im;                                                           \
  }                                                                                                \
  GC_COMPLEX_INLINE bool gc_isnan_##suffix(ctype z) { return z.re != z.re || z.im != z.im; }       \
  GC_COMPLEX_INLINE bool gc_isinf_##suffix(ctype z) {                                              \
    return gc_isinf_##part(z.re) || gc_isinf_##part(z.im);                                         \
  }                                                                                                \
  GC_COMPLEX_INLINE bool gc_isfinite_##suffix(ctype z) { return z.re - z.re == 0 && z.im - z.im == 0; } \
  GC_COMPLEX_INLINE ctype gc_fused_##suffix(ctype a, ctype b, ctype c) {                           \
    real re = FUSED(-a.im, b.im, FUSED(a.re, b.re, c.re));                                         \
    return gc_complex_##part(re, FUSED(a.im, b.re, FUSED(a.re, b.im, c.im)));                      \
  }                                                                                                \
  GC_COMPLEX_INLINE void gc_multiply_add_##suffix(ctype *sum, ctype a, ctype b) {                  \
    *sum = gc_fused_##suffix(a, b, *sum);                                                          \
  }

GC_COMPLEX(c64, gc_c64, f32, float, GC_FUSED_F32)
GC_COMPLEX(c128, gc_c128, f64, double, GC_FUSED_F64)

GC_COMPLEX_INLINE gc_c128 gc_c64_to_c128(gc_c64 z) { return gc_complex_f64(z.re, z.im); }
GC_COMPLEX_INLINE gc_c64 gc_c128_to_c64(gc_c128 z) {
  return gc_complex_f32((float)z.re, (float)z.im);
}

#ifdef __cplusplus
// A pair travels between threads one part after the other.
template <class T>
__device__ __forceinline__ T gc_shuffle_pair_down(T value, unsigned distance) {
  value.re = __shfl_down_sync(0xffffffffu, value.re, distance);
  value.im = __shfl_down_sync(0xffffffffu, value.im, distance);
  return value;
}
__device__ __forceinline__ gc_c64 gc_shuffle_down(gc_c64 value, unsigned distance) {
  return gc_shuffle_pair_down(value, distance);
}
__device__ __forceinline__ gc_c128 gc_shuffle_down(gc_c128 value, unsigned distance) {
  return gc_shuffle_pair_down(value, distance);
}
#endif

/* -- functions ---------------------------------------------------------------------------------------- */

/* The product of a size and the cosine or sine of an angle. An infinite angle has none: beside it a zero
 * stays zero, and infinity, if it is given and no overflow, infinite. */
GC_COMPLEX_INLINE double gc_times_angle(double size, double wave, bool is_infinite) {
  return wave != wave && (size == 0 || is_infinite) ? size : size * wave;
}

/* Beyond this exponent e^x is larger than any double, though the product with a sine may not be. */
#define GC_EXP_SPLIT 709.0

GC_COMPLEX_INLINE gc_c128 gc_exp_c128(gc_c128 z) {
  double wave_re = gc_cos_f64(z.im), wave_im = gc_sin_f64(z.im);
  if (z.im == 0) return gc_complex_f64(gc_exp_f64(z.re), z.im);
  if (z.re > GC_EXP_SPLIT && z.re < 2 * GC_EXP_SPLIT) {
    double first = gc_exp_f64(GC_EXP_SPLIT), rest = gc_exp_f64(z.re - GC_EXP_SPLIT);
    return gc_complex_f64(first * wave_re * rest, first * wave_im * rest);
  }
  double size = gc_exp_f64(z.re);
  if (!gc_isinf_f64(z.re)) return gc_complex_f64(size * wave_re, size * wave_im);
  double im = z.re < 0 ? gc_times_angle(size, wave_im, true) : size * wave_im;
  return gc_complex_f64(gc_times_angle(size, wave_re, true), im);
}

/* log|z| beside the circle of numbers of size 1, where the logarithm of the size would keep few digits. */
GC_COMPLEX_INLINE gc_c128 gc_log_c128(gc_c128 z) {
  double x = gc_abs_f64(z.re), y = gc_abs_f64(z.im);
  double larger = x > y ? x : y, smaller = x > y ? y : x;
  double size = gc_hypot_f64(x, y), angle = gc_atan2_f64(z.im, z.re);
  if (size > 0.5 && size < 1.5) {
    double near = (larger - 1) * (larger + 1) + smaller * smaller;
    return gc_complex_f64(0.5 * gc_log1p_f64(near), angle);
  }
  /* The size itself may overflow, or have lost the digits of two small numbers. */
  if (larger > 1e300 || larger < 1e-300) {
    double scale = larger > 1 ? 1.0 / 1267650600228229401496703205376.0
                              : 1267650600228229401496703205376.0;
    double moved = gc_log_f64(gc_hypot_f64(x * scale, y * scale)); /* 2^-100 or 2^100 */
    return gc_complex_f64(larger > 1 ? moved + 69.31471805599453 : moved - 69.31471805599453, angle);
  }
  return gc_complex_f64(gc_log_f64(size), angle);
}

/* W. Kahan, Branch Cuts for Complex Elementary Functions (1987): the root with the larger part is taken,
 * the other one follows. Numbers near the ends of the range are scaled by 2^-4 or 2^108. */
GC_COMPLEX_INLINE gc_c128 gc_sqrt_c128(gc_c128 z) {
  double x = z.re, y = z.im;
  if (x == 0 && y == 0) return gc_complex_f64(0.0, y);
  if (gc_isinf_f64(y)) return gc_complex_f64(gc_abs_f64(y), y);
  if (gc_isinf_f64(x)) {
    double other = y - y; /* 0, or NaN */
    return x > 0 ? gc_complex_f64(x, y == y ? gc_copysign_f64(other, y) : y)
                 : gc_complex_f64(gc_abs_f64(other), gc_copysign_f64(x, y));
  }
  double larger = gc_abs_f64(x) > gc_abs_f64(y) ? gc_abs_f64(x) : gc_abs_f64(y);
  double scale = larger > 1e300 ? 0.0625 : larger < 1e-290 ? 324518553658426726783156020576256.0 : 1.0;
  double back = larger > 1e300 ? 4.0 : larger < 1e-290 ? 1.0 / 18014398509481984.0 : 1.0;
  x *= scale;
  y *= scale;
  double root = gc_sqrt_f64((gc_abs_f64(x) + gc_hypot_f64(x, y)) * 0.5);
  double other = y / (2 * root);
  if (x >= 0) return gc_complex_f64(root * back, other * back);
  return gc_complex_f64(gc_abs_f64(other) * back, gc_copysign_f64(root, y) * back);
}

/* cosh(x + iy) = cosh x cos y + i sinh x sin y, and sinh from the other products of the four. */
GC_COMPLEX_INLINE gc_c128 gc_hyperbolic(double x, double y, bool is_sine) {
  double wave_cos = gc_cos_f64(y), wave_sin = gc_sin_f64(y), size = gc_abs_f64(x);
  double sign = gc_copysign_f64(1.0, x);
  if (size > GC_EXP_SPLIT && size < 2 * GC_EXP_SPLIT) {
    double first = 0.5 * gc_exp_f64(GC_EXP_SPLIT), rest = gc_exp_f64(size - GC_EXP_SPLIT);
    double re = first * wave_cos * rest, im = first * wave_sin * rest;
    return is_sine ? gc_complex_f64(sign * re, im) : gc_complex_f64(re, sign * im);
  }
  double even = gc_cosh_f64(x), odd = gc_sinh_f64(x);
  double along = is_sine ? odd : even, across = is_sine ? even : odd;
  bool is_infinite = gc_isinf_f64(x);
  double re = gc_times_angle(along, wave_cos, is_infinite);
  /* The sine of 0 is 0, whatever it is multiplied by; an infinite angle beside infinity is no number. */
  double im = y == 0 ? (is_sine || x != x ? y : y * sign)
                     : gc_times_angle(across, wave_sin, false);
  return gc_complex_f64(re, im);
}
GC_COMPLEX_INLINE gc_c128 gc_sinh_c128(gc_c128 z) { return gc_hyperbolic(z.re, z.im, true); }
GC_COMPLEX_INLINE gc_c128 gc_cosh_c128(gc_c128 z) { return gc_hyperbolic(z.re, z.im, false); }

/* W. Kahan's formula; where the hyperbolic tangent is 1 to the last digit, what is left of the sine. */
GC_COMPLEX_INLINE gc_c128 gc_tanh_c128(gc_c128 z) {
  double x = z.re, y = z.im, size = gc_abs_f64(x);
  if (y == 0 && x != x) return z;
  if (size > 22) {
    double rest = gc_exp_f64(-size);
    double im = y - y == 0 ? 4 * gc_sin_f64(y) * gc_cos_f64(y) * rest * rest : 0.0;
    bool is_finite = x - x == 0 && y - y != 0;
    double none = y - y;
    return is_finite ? gc_complex_f64(none, none) : gc_complex_f64(gc_copysign_f64(1.0, x), im);
  }
  if (x == 0 && y - y != 0) return gc_complex_f64(x, y - y);
  double slope = gc_tan_f64(y), beta = 1 + slope * slope, s = gc_sinh_f64(x);
  double rho = gc_sqrt_f64(1 + s * s), below = 1 + beta * s * s;
  return gc_complex_f64(beta * rho * s / below, slope / below);
}

/* The circular functions are the hyperbolic ones of iz. */
GC_COMPLEX_INLINE gc_c128 gc_sin_c128(gc_c128 z) {
  gc_c128 turned = gc_sinh_c128(gc_complex_f64(-z.im, z.re));
  return gc_complex_f64(turned.im, -turned.re);
}
GC_COMPLEX_INLINE gc_c128 gc_cos_c128(gc_c128 z) { return gc_cosh_c128(gc_complex_f64(-z.im, z.re)); }
GC_COMPLEX_INLINE gc_c128 gc_tan_c128(gc_c128 z) {
  gc_c128 turned = gc_tanh_c128(gc_complex_f64(-z.im, z.re));
  return gc_complex_f64(turned.im, -turned.re);
}

/* exp(z) - 1: near 0 from the parts of cos(y) = 1 - 2 sin^2(y/2), so that nothing cancels. */
GC_COMPLEX_INLINE gc_c128 gc_expm1_c128(gc_c128 z) {
  if (z.re - z.re != 0 || gc_abs_f64(z.re) > 1) {
    gc_c128 power = gc_exp_c128(z);
    return gc_complex_f64(power.re - 1, power.im);
  }
  double half = gc_sin_f64(0.5 * z.im), grown = gc_expm1_f64(z.re);
  double im = z.im == 0 ? z.im : gc_exp_f64(z.re) * gc_sin_f64(z.im);
  return gc_complex_f64(grown * gc_cos_f64(z.im) - 2 * half * half, im);
}

/* log(1 + z): near 0 the square of the size of 1 + z less 1 is z.re * (2 + z.re) + z.im^2. */
GC_COMPLEX_INLINE gc_c128 gc_log1p_c128(gc_c128 z) {
  if (!(gc_abs_f64(z.re) < 0.5 && gc_abs_f64(z.im) < 0.5)) {
    return gc_log_c128(gc_complex_f64(1 + z.re, z.im));
  }
  double near = z.re * (2 + z.re) + z.im * z.im;
  return gc_complex_f64(0.5 * gc_log1p_f64(near), gc_atan2_f64(z.im, 1 + z.re));
}

/* The inverse functions are Kahan's: what the roots of 1 - z and 1 + z are multiplied to never cancels.
 * Beyond this size the inverse sine and cosine are a logarithm, and the root of 2 z would overflow. */
#define GC_INVERSE_SPLIT 1e300
#define GC_LOG_2 0.6931471805599453
#define GC_HALF_PI 1.5707963267948966

GC_COMPLEX_INLINE bool gc_is_far(gc_c128 z) {
  return gc_abs_f64(z.re) > GC_INVERSE_SPLIT || gc_abs_f64(z.im) > GC_INVERSE_SPLIT;
}
GC_COMPLEX_INLINE double gc_log_twice(gc_c128 z) {
  if (gc_isinf_f64(z.re) || gc_isinf_f64(z.im)) return gc_abs_f64(z.re) + gc_abs_f64(z.im);
  return gc_log_f64(gc_hypot_f64(0.5 * z.re, 0.5 * z.im)) + 2 * GC_LOG_2;
}
/* An infinity beside NaN: the size alone is known. */
GC_COMPLEX_INLINE double gc_infinite_or_nan(gc_c128 z) {
  double none = z.re + z.im;
  bool is_infinite = gc_isinf_f64(z.re) || gc_isinf_f64(z.im);
  return is_infinite ? gc_abs_f64(gc_isinf_f64(z.re) ? z.re : z.im) : none;
}

GC_COMPLEX_INLINE gc_c128 gc_asin_c128(gc_c128 z) {
  double x = z.re, y = z.im;
  if (x != x || y != y) {
    return gc_complex_f64(x == 0 ? x : x + y, gc_copysign_f64(gc_infinite_or_nan(z), y));
  }
  if (gc_is_far(z)) {
    return gc_complex_f64(gc_atan2_f64(x, gc_abs_f64(y)), gc_copysign_f64(gc_log_twice(z), y));
  }
  gc_c128 less = gc_sqrt_c128(gc_complex_f64(1 - x, -y)), more = gc_sqrt_c128(gc_complex_f64(1 + x, y));
  double across = less.re * more.re - less.im * more.im;
  double along = less.re * more.im - less.im * more.re;
  return gc_complex_f64(gc_atan2_f64(x, across), gc_copysign_f64(gc_asinh_f64(along), y));
}

GC_COMPLEX_INLINE gc_c128 gc_acos_c128(gc_c128 z) {
  double x = z.re, y = z.im;
  if (x != x || y != y) {
    return gc_complex_f64(x == 0 ? GC_HALF_PI : x + y, gc_copysign_f64(gc_infinite_or_nan(z), -y));
  }
  if (gc_is_far(z)) {
    return gc_complex_f64(gc_atan2_f64(gc_abs_f64(y), x), gc_copysign_f64(gc_log_twice(z), -y));
  }
  gc_c128 less = gc_sqrt_c128(gc_complex_f64(1 - x, -y)), more = gc_sqrt_c128(gc_complex_f64(1 + x, y));
  double along = more.re * less.im - more.im * less.re;
  return gc_complex_f64(2 * gc_atan2_f64(less.re, more.re), gc_copysign_f64(gc_asinh_f64(along), -y));
}

GC_COMPLEX_INLINE gc_c128 gc_acosh_c128(gc_c128 z) {
  gc_c128 turned = gc_acos_c128(z);
  return gc_complex_f64(gc_abs_f64(turned.im), gc_copysign_f64(turned.re, z.im));
}

/* A quarter of log((1 + x)^2 + y^2) - log((1 - x)^2 + y^2), for the half plane where x is positive. */
GC_COMPLEX_INLINE gc_c128 gc_atanh_c128(gc_c128 z) {
  double x = gc_abs_f64(z.re), y = z.im;
  if (x != x || y != y) {
    bool is_decided = gc_isinf_f64(x) || gc_isinf_f64(y) || x == 0;
    double none = x + y;
    double im = gc_isinf_f64(y) ? gc_copysign_f64(GC_HALF_PI, y) : none;
    return gc_complex_f64(is_decided ? gc_copysign_f64(0.0, z.re) : none, im);
  }
  double size = gc_hypot_f64(x, y), re;
  if (size > 1e100) {
    re = gc_isinf_f64(size) ? 0.0 : x / size / size;
    return gc_complex_f64(gc_copysign_f64(re, z.re), gc_copysign_f64(GC_HALF_PI, y));
  }
  double beside = gc_hypot_f64(1 - x, y);
  if (beside < 1e-100) {
    re = 0.5 * (GC_LOG_2 - gc_log_f64(beside));
  } else {
    re = 0.25 * gc_log1p_f64(4 * x / (beside * beside));
  }
  return gc_complex_f64(gc_copysign_f64(re, z.re),
                        0.5 * gc_atan2_f64(2 * y, (1 - x) * (1 + x) - y * y));
}

/* Those of the circle and of the hyperbola turn into each other, as sine and hyperbolic sine do. */
GC_COMPLEX_INLINE gc_c128 gc_asinh_c128(gc_c128 z) {
  gc_c128 turned = gc_asin_c128(gc_complex_f64(-z.im, z.re));
  return gc_complex_f64(turned.im, -turned.re);
}
GC_COMPLEX_INLINE gc_c128 gc_atan_c128(gc_c128 z) {
  gc_c128 turned = gc_atanh_c128(gc_complex_f64(-z.im, z.re));
  return gc_complex_f64(turned.im, -turned.re);
}

/* exp(b log a); 0 to a power of positive real part is 0, and anything to the power 0 is 1. */
GC_COMPLEX_INLINE gc_c128 gc_power_c128(gc_c128 a, gc_c128 b) {
  if (b.re == 0 && b.im == 0) return gc_complex_f64(1.0, 0.0);
  if (a.re == 0 && a.im == 0) {
    double zero = b.re > 0 ? 0.0 : 0.0 / 0.0;
    return gc_complex_f64(zero, zero);
  }
  return gc_exp_c128(gc_multiply_c128(b, gc_log_c128(a)));
}

#define GC_COMPLEX_FUNCTION(name)                                                                  \
  GC_COMPLEX_INLINE gc_c64 gc_##name##_c64(gc_c64 z) {                                             \
    return gc_c128_to_c64(gc_##name##_c128(gc_c64_to_c128(z)));                                    \
  }

GC_COMPLEX_FUNCTION(exp)
GC_COMPLEX_FUNCTION(log)
GC_COMPLEX_FUNCTION(sqrt)
GC_COMPLEX_FUNCTION(sinh)
GC_COMPLEX_FUNCTION(cosh)
GC_COMPLEX_FUNCTION(tanh)
GC_COMPLEX_FUNCTION(sin)
GC_COMPLEX_FUNCTION(cos)
GC_COMPLEX_FUNCTION(tan)
GC_COMPLEX_FUNCTION(expm1)
GC_COMPLEX_FUNCTION(log1p)
GC_COMPLEX_FUNCTION(asin)
GC_COMPLEX_FUNCTION(acos)
GC_COMPLEX_FUNCTION(atan)
GC_COMPLEX_FUNCTION(asinh)
GC_COMPLEX_FUNCTION(acosh)
GC_COMPLEX_FUNCTION(atanh)
GC_COMPLEX_INLINE gc_c64 gc_power_c64(gc_c64 a, gc_c64 b) {
  return gc_c128_to_c64(gc_power_c128(gc_c64_to_c128(a), gc_c64_to_c128(b)));
}
