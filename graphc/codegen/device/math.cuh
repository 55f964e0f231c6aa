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
