// Elementary functions: CUDA's own, the precise versions (CUDA C++ Programming Guide, "Mathematical
// Functions", states their errors). Special values are those of C99 Annex F.

__device__ __forceinline__ float gc_exp_f32(float x) { return expf(x); }
__device__ __forceinline__ double gc_exp_f64(double x) { return exp(x); }
__device__ __forceinline__ float gc_expm1_f32(float x) { return expm1f(x); }
__device__ __forceinline__ double gc_expm1_f64(double x) { return expm1(x); }
__device__ __forceinline__ float gc_exp2_f32(float x) { return exp2f(x); }
__device__ __forceinline__ double gc_exp2_f64(double x) { return exp2(x); }
__device__ __forceinline__ float gc_log_f32(float x) { return logf(x); }
__device__ __forceinline__ double gc_log_f64(double x) { return log(x); }
__device__ __forceinline__ float gc_log1p_f32(float x) { return log1pf(x); }
__device__ __forceinline__ double gc_log1p_f64(double x) { return log1p(x); }
__device__ __forceinline__ float gc_log2_f32(float x) { return log2f(x); }
__device__ __forceinline__ double gc_log2_f64(double x) { return log2(x); }
__device__ __forceinline__ float gc_log10_f32(float x) { return log10f(x); }
__device__ __forceinline__ double gc_log10_f64(double x) { return log10(x); }
__device__ __forceinline__ float gc_sqrt_f32(float x) { return sqrtf(x); }
__device__ __forceinline__ double gc_sqrt_f64(double x) { return sqrt(x); }
__device__ __forceinline__ float gc_rsqrt_f32(float x) { return 1.0f / sqrtf(x); }
__device__ __forceinline__ double gc_rsqrt_f64(double x) { return 1.0 / sqrt(x); }
__device__ __forceinline__ float gc_sin_f32(float x) { return sinf(x); }
__device__ __forceinline__ double gc_sin_f64(double x) { return sin(x); }
__device__ __forceinline__ float gc_cos_f32(float x) { return cosf(x); }
__device__ __forceinline__ double gc_cos_f64(double x) { return cos(x); }
__device__ __forceinline__ float gc_tan_f32(float x) { return tanf(x); }
__device__ __forceinline__ double gc_tan_f64(double x) { return tan(x); }
__device__ __forceinline__ float gc_asin_f32(float x) { return asinf(x); }
__device__ __forceinline__ double gc_asin_f64(double x) { return asin(x); }
__device__ __forceinline__ float gc_acos_f32(float x) { return acosf(x); }
__device__ __forceinline__ double gc_acos_f64(double x) { return acos(x); }
__device__ __forceinline__ float gc_atan_f32(float x) { return atanf(x); }
__device__ __forceinline__ double gc_atan_f64(double x) { return atan(x); }
__device__ __forceinline__ float gc_atan2_f32(float x, float y) { return atan2f(x, y); }
__device__ __forceinline__ double gc_atan2_f64(double x, double y) { return atan2(x, y); }
__device__ __forceinline__ float gc_hypot_f32(float x, float y) { return hypotf(x, y); }
__device__ __forceinline__ double gc_hypot_f64(double x, double y) { return hypot(x, y); }
__device__ __forceinline__ float gc_sinh_f32(float x) { return sinhf(x); }
__device__ __forceinline__ double gc_sinh_f64(double x) { return sinh(x); }
__device__ __forceinline__ float gc_cosh_f32(float x) { return coshf(x); }
__device__ __forceinline__ double gc_cosh_f64(double x) { return cosh(x); }
__device__ __forceinline__ float gc_tanh_f32(float x) { return tanhf(x); }
__device__ __forceinline__ double gc_tanh_f64(double x) { return tanh(x); }
__device__ __forceinline__ float gc_asinh_f32(float x) { return asinhf(x); }
__device__ __forceinline__ double gc_asinh_f64(double x) { return asinh(x); }
__device__ __forceinline__ float gc_acosh_f32(float x) { return acoshf(x); }
__device__ __forceinline__ double gc_acosh_f64(double x) { return acosh(x); }
__device__ __forceinline__ float gc_atanh_f32(float x) { return atanhf(x); }
__device__ __forceinline__ double gc_atanh_f64(double x) { return atanh(x); }
__device__ __forceinline__ float gc_erf_f32(float x) { return erff(x); }
__device__ __forceinline__ double gc_erf_f64(double x) { return erf(x); }
__device__ __forceinline__ float gc_power_f32(float x, float y) { return powf(x, y); }
__device__ __forceinline__ double gc_power_f64(double x, double y) { return pow(x, y); }

// 1 / (1 + exp(-x)), from exp(-|x|), which cannot overflow.
__device__ __forceinline__ float gc_sigmoid_f32(float x) {
  float e = expf(-fabsf(x));
  return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}
__device__ __forceinline__ double gc_sigmoid_f64(double x) {
  double e = exp(-fabs(x));
  return (x >= 0.0 ? 1.0 : e) / (1.0 + e);
}

// The functions below are computed in double: in float they would lose more digits than their f32
// results have room for, near zeros of lgamma and digamma and at the ends of erfinv.
__device__ __forceinline__ double gc_erfc_f64(double x) { return erfc(x); }
__device__ __forceinline__ float gc_erfc_f32(float x) { return (float)erfc((double)x); }
__device__ __forceinline__ double gc_lgamma_f64(double x) { return lgamma(x); }
__device__ __forceinline__ float gc_lgamma_f32(float x) { return (float)lgamma((double)x); }

// S. Winitzki's approximation (2008) and three steps of Halley's method, on erf below 1/2 and on erfc,
// whose argument 1 - |x| is exact, above.
__device__ __forceinline__ double gc_erfinv_f64(double x) {
  double size = fabs(x), tail = 1.0 - size;
  double logs = log(tail * (1.0 + size));
  double middle = 2.0 / (3.141592653589793 * 0.147) + logs / 2.0;
  double y = sqrt(sqrt(middle * middle - logs / 0.147) - middle);
  y = size < 1.0 ? y : 0.0;
  for (int i = 0; i < 3; ++i) {
    double wrong = size < 0.5 ? erf(y) - size : tail - erfc(y);
    double step = wrong / (1.1283791670955126 * exp(-y * y));
    y = y - step / (1.0 + y * step);
  }
  y = size == 1.0 ? 1.0 / 0.0 : size < 1.0 ? y : 0.0 / 0.0;
  return copysign(y, x);
}
__device__ __forceinline__ float gc_erfinv_f32(float x) { return (float)gc_erfinv_f64((double)x); }

// Moved up to 10 by its recurrence, there the asymptotic series (M. Abramowitz and I. Stegun, Handbook of
// Mathematical Functions, 6.3.5, 6.3.7 and 6.3.18).
__device__ __forceinline__ double gc_digamma_f64(double x) {
  double z = x < -0.5 ? 1.0 - x : x, total = 0.0;
  for (int i = 0; i < 11; ++i) {
    total = z < 10.0 ? total - 1.0 / z : total;
    z = z < 10.0 ? z + 1.0 : z;
  }
  double square = 1.0 / (z * z);
  double series = 1.0 / 12.0;
  series = series * square - 691.0 / 32760.0;
  series = series * square + 1.0 / 132.0;
  series = series * square - 1.0 / 240.0;
  series = series * square + 1.0 / 252.0;
  series = series * square - 1.0 / 120.0;
  series = series * square + 1.0 / 12.0;
  double value = total + (log(z) - 0.5 / z - square * series);
  double away = x - floor(x + 0.5);
  double turned = 3.141592653589793 / tan(3.141592653589793 * away);
  return x < -0.5 ? (away == 0.0 ? 0.0 / 0.0 : value - turned) : value;
}
__device__ __forceinline__ float gc_digamma_f32(float x) { return (float)gc_digamma_f64((double)x); }

// log(exp(x) + exp(y)) from the larger; equal infinities have no difference.
__device__ __forceinline__ double gc_logaddexp_f64(double x, double y) {
  double larger = x > y ? x : y;
  double value = larger + log1p(exp(-fabs(x - y)));
  return x == y ? x + 0.6931471805599453 : x != x ? x : y != y ? y : value;
}
__device__ __forceinline__ float gc_logaddexp_f32(float x, float y) {
  return (float)gc_logaddexp_f64((double)x, (double)y);
}

__device__ __forceinline__ bool gc_signbit_f32(float x) { return __float_as_uint(x) >> 31; }
__device__ __forceinline__ bool gc_signbit_f64(double x) { return __double_as_longlong(x) < 0; }
__device__ __forceinline__ float gc_nextafter_f32(float x, float y) { return nextafterf(x, y); }
__device__ __forceinline__ double gc_nextafter_f64(double x, double y) { return nextafter(x, y); }

// x as m * 2^e with 0.5 <= |m| < 1; 0, NaN and the infinities are their own m, with e = 0.
__device__ __forceinline__ float gc_frexp_mantissa_f32(float x) { int e; return frexpf(x, &e); }
__device__ __forceinline__ double gc_frexp_mantissa_f64(double x) { int e; return frexp(x, &e); }
__device__ __forceinline__ int gc_frexp_exponent_f64(double x) {
  int e;
  frexp(x, &e);
  return x - x == 0.0 ? e : 0;
}
__device__ __forceinline__ int gc_frexp_exponent_f32(float x) {
  return gc_frexp_exponent_f64((double)x);
}

// x * 2^floor(y), rounded once; beyond 5000 steps every float is 0 or infinite.
__device__ __forceinline__ int gc_steps(double y) {
  return (int)floor(y > 5000.0 ? 5000.0 : y < -5000.0 ? -5000.0 : y == y ? y : 0.0);
}
__device__ __forceinline__ double gc_ldexp_f64(double x, double y) {
  return y == y ? ldexp(x, gc_steps(y)) : y;
}
__device__ __forceinline__ float gc_ldexp_f32(float x, float y) {
  return y == y ? ldexpf(x, gc_steps((double)y)) : y;
}
