/* Elementary functions for generated host C: scalar, inline and free of branches, so that the compiler
 * vectorises the loops that call them.
 *
 * Method, in short: reduce the argument (W. J. Cody and W. Waite, Software Manual for the Elementary
 * Functions, 1980), evaluate a minimax polynomial on what is left (found by the Remez exchange, in 40
 * digits, coefficients then rounded), and put the parts together with fused multiply-adds. NaN, the
 * infinities, the signed zeros, overflow and subnormal results come out as C99 Annex F asks.
 * The bounds below were measured, on the floats that each function names, against the libm of the
 * next wider type. They hold for -ffp-contract=off, with or without vectorisation, and need a
 * compiler that keeps the order of operations (no -ffast-math). Nothing of the system's math.h is
 * included: this file may lie on the include path under the same name. */
#ifndef GC_MATH_H
#define GC_MATH_H

#include <stdbool.h>
#include <stdint.h>

GC_INLINE uint32_t gc_bits_f32(float x) { uint32_t u; __builtin_memcpy(&u, &x, sizeof u); return u; }
GC_INLINE float gc_float_f32(uint32_t u) { float x; __builtin_memcpy(&x, &u, sizeof x); return x; }
GC_INLINE uint64_t gc_bits_f64(double x) { uint64_t u; __builtin_memcpy(&u, &x, sizeof u); return u; }
GC_INLINE double gc_float_f64(uint64_t u) { double x; __builtin_memcpy(&x, &u, sizeof x); return x; }

/* x rounded to an integer, as float and as int, for |x| < 2^22: adding 1.5 * 2^23 leaves the integer in
 * the low bits of the sum. Unlike rintf and a conversion it vectorises on every target. */
typedef struct { float real; int32_t whole; } gc_rounded_f32;
GC_INLINE gc_rounded_f32 gc_nearest_f32(float x) {
    float shifted = x + 12582912.0f;
    return (gc_rounded_f32){shifted - 12582912.0f, (int32_t)(gc_bits_f32(shifted) - 0x4b400000u)};
}
typedef struct { double real; int64_t whole; } gc_rounded_f64;
GC_INLINE gc_rounded_f64 gc_nearest_f64(double x) {
    double shifted = x + 6755399441055744.0;
    return (gc_rounded_f64){shifted - 6755399441055744.0,
                            (int64_t)(gc_bits_f64(shifted) - 0x4338000000000000u)};
}

/* 2^n for a normal result. */
GC_INLINE float gc_power_of_two_f32(int32_t n) { return gc_float_f32((uint32_t)(n + 127) << 23); }
GC_INLINE double gc_power_of_two_f64(int64_t n) { return gc_float_f64((uint64_t)(n + 1023) << 52); }

/* exp(x): x = n ln 2 + r, |r| <= ln(2)/2; exp(r) = 1 + r + r^2 q(r), degree 6 in all.
 * 2^n is applied in two factors, so that results reach infinity and the subnormals. What is out of range
 * is put right at the end: limits on x would have compilers treat it as cases of its own.
 * At most 1.01 ulp, over every float. */
GC_INLINE float gc_exp_f32(float x) {
    gc_rounded_f32 n = gc_nearest_f32(x * 1.44269504f);
    float r = __builtin_fmaf(n.real, -0x1.62e430p-1f, x);
    r = __builtin_fmaf(n.real, 0x1.05c610p-29f, r);
    float q = 0.001381315989419818f;
    q = __builtin_fmaf(q, r, 0.008369418792426586f);
    q = __builtin_fmaf(q, r, 0.04166845604777336f);
    q = __builtin_fmaf(q, r, 0.16666515171527863f);
    q = __builtin_fmaf(q, r, 0.4999999403953552f);
    float p = __builtin_fmaf(r * r, q, r) + 1.0f;
    int32_t half = n.whole >> 1;
    float y = p * gc_power_of_two_f32(half) * gc_power_of_two_f32(n.whole - half);
    y = x > 89.0f ? __builtin_inff() : y;
    return x < -104.0f ? 0.0f : y;
}

/* exp(x) - 1: the reduction of gc_exp_f32, with 2^n (exp(r) - 1) + (2^n - 1) in one rounding.
 * Half of 2^n keeps n = 128 in range. At most 1.44 ulp, over every float. */
GC_INLINE float gc_expm1_f32(float x) {
    gc_rounded_f32 n = gc_nearest_f32(x * 1.44269504f);
    float r = __builtin_fmaf(n.real, -0x1.62e430p-1f, x);
    r = __builtin_fmaf(n.real, 0x1.05c610p-29f, r);
    float q = 0.00019915653683710843f;
    q = __builtin_fmaf(q, r, 0.0013942045625299215f);
    q = __builtin_fmaf(q, r, 0.008333270438015461f);
    q = __builtin_fmaf(q, r, 0.04166634380817413f);
    q = __builtin_fmaf(q, r, 0.1666666716337204f);
    q = __builtin_fmaf(q, r, 0.5f);
    float p = __builtin_fmaf(r * r, q, r);
    float half = gc_power_of_two_f32(n.whole - 1);
    float y = 2.0f * __builtin_fmaf(half, p, half - 0.5f);
    y = x > 89.0f ? __builtin_inff() : y;
    y = x < -18.0f ? -1.0f : y;
    return __builtin_fabsf(x) < 0x1p-25f ? x : y;
}

/* log(x): x = 2^e m, sqrt(1/2) <= m < sqrt(2), f = m - 1;
 * log(1 + f) = f - f^2/2 + f^3 P(f), P of degree 7. Subnormals are scaled first.
 * At most 0.86 ulp, over every float. */
GC_INLINE float gc_log_f32(float x) {
    int32_t tiny = x < 0x1p-126f;
    float scaled = tiny ? x * 0x1p23f : x;
    uint32_t u = gc_bits_f32(scaled) - 0x3f3504f3u; /* sqrt(1/2) */
    float e = (float)((int32_t)u >> 23) - (tiny ? 23.0f : 0.0f);
    float f = gc_float_f32((u & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    float p = -0.0785985141992569f;
    p = __builtin_fmaf(p, f, 0.1288580447435379f);
    p = __builtin_fmaf(p, f, -0.13130469620227814f);
    p = __builtin_fmaf(p, f, 0.14180710911750793f);
    p = __builtin_fmaf(p, f, -0.16624347865581512f);
    p = __builtin_fmaf(p, f, 0.20002302527427673f);
    p = __builtin_fmaf(p, f, -0.25000816583633423f);
    p = __builtin_fmaf(p, f, 0.33333316445350647f);
    float f2 = f * f;
    float y = __builtin_fmaf(e, 0x1.7f7d1cp-20f, f2 * (f * p)); /* ln 2 in two parts, 15 bits first */
    y = __builtin_fmaf(-0.5f, f2, y) + f;
    y = __builtin_fmaf(e, 0x1.62e4p-1f, y);
    y = x == __builtin_inff() ? x : y;
    y = x == 0.0f ? -__builtin_inff() : y;
    return x >= 0.0f ? y : __builtin_nanf("");
}

/* log(1 + x): log(u) + (x - (u - 1)) / u with u = 1 + x rounded; the quotient is what the rounding
 * lost (D. Goldberg, What Every Computer Scientist Should Know, 1991, theorem 4).
 * At most 1.44 ulp, over every float. */
GC_INLINE float gc_log1p_f32(float x) {
    float u = 1.0f + x;
    float lost = (x - (u - 1.0f)) / u;
    float y = gc_log_f32(u) + lost;
    y = x == __builtin_inff() ? x : y;
    y = x == -1.0f ? -__builtin_inff() : y;
    return __builtin_fabsf(x) < 0x1p-24f ? x : y;
}

/* tanh(x): x + x^3 P(x^2), P of degree 5, for |x| < 0.625; else 1 - 2 / (exp(2|x|) + 1).
 * At most 1.34 ulp, over every float. */
GC_INLINE float gc_tanh_f32(float x) {
    float a = __builtin_fabsf(x);
    float t = x * x;
    float p = 0.0020710211247205734f;
    p = __builtin_fmaf(p, t, -0.008099177852272987f);
    p = __builtin_fmaf(p, t, 0.021669361740350723f);
    p = __builtin_fmaf(p, t, -0.05394113063812256f);
    p = __builtin_fmaf(p, t, 0.13333162665367126f);
    p = __builtin_fmaf(p, t, -0.333333283662796f);
    float small = __builtin_fmaf(a * t, p, a);
    float large = 1.0f - 2.0f / (gc_exp_f32(a + a) + 1.0f);
    return __builtin_copysignf(a < 0.625f ? small : large, x); /* the polynomial alone would lose -0.0 */
}

/* 1 / (1 + exp(-x)), from exp(-|x|), which cannot overflow. At most 2.41 ulp, over every float. */
GC_INLINE float gc_sigmoid_f32(float x) {
    float e = gc_exp_f32(-__builtin_fabsf(x));
    return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}

/* erf(x): x + x P(x^2), P of degree 7, for |x| < 1; else 1 - exp(-g(|x|)), where g = -log(erfc) is a
 * polynomial of degree 7 up to 3.95, beyond which the result is 1.
 * At most 1.19 ulp, over every float. */
GC_INLINE float gc_erf_f32(float x) {
    float a = __builtin_fabsf(x);
    float t = x * x;
    float p = -9.680140465206932e-06f;
    p = __builtin_fmaf(p, t, 0.00011270545655861497f);
    p = __builtin_fmaf(p, t, -0.0008484711870551109f);
    p = __builtin_fmaf(p, t, 0.005221074912697077f);
    p = __builtin_fmaf(p, t, -0.02686544507741928f);
    p = __builtin_fmaf(p, t, 0.11283782869577408f);
    p = __builtin_fmaf(p, t, -0.37612637877464294f);
    p = __builtin_fmaf(p, t, 0.12837916612625122f);
    float small = __builtin_fmaf(x, p, x);
    float c = a > 3.95f ? 3.95f : a;
    float g = 2.16865046240855e-05f;
    g = __builtin_fmaf(g, c, -0.00044133217306807637f);
    g = __builtin_fmaf(g, c, 0.004204540513455868f);
    g = __builtin_fmaf(g, c, -0.02520819753408432f);
    g = __builtin_fmaf(g, c, 0.10841847956180573f);
    g = __builtin_fmaf(g, c, 0.6332199573516846f);
    g = __builtin_fmaf(g, c, 1.1295783519744873f);
    g = __builtin_fmaf(g, c, -0.0001880296622402966f);
    float large = __builtin_copysignf(a > 3.95f ? 1.0f : 1.0f - gc_exp_f32(-g), x);
    return a < 1.0f ? small : (x == x ? large : x);
}

/* Bits of 2^(e - 150) / (2 pi) modulo 1, as 96-bit fractions, for the biased exponents e from 128. */
static const uint64_t gc_turns_high[128] = {
    0x000000a2f9836e4eu, 0x00000145f306dc9cu, 0x0000028be60db939u, 0x00000517cc1b7272u,
    0x00000a2f9836e4e4u, 0x0000145f306dc9c8u, 0x000028be60db9391u, 0x0000517cc1b72722u,
    0x0000a2f9836e4e44u, 0x000145f306dc9c88u, 0x00028be60db93910u, 0x000517cc1b727220u,
    0x000a2f9836e4e441u, 0x00145f306dc9c882u, 0x0028be60db939105u, 0x00517cc1b727220au,
    0x00a2f9836e4e4415u, 0x0145f306dc9c882au, 0x028be60db9391054u, 0x0517cc1b727220a9u,
    0x0a2f9836e4e44152u, 0x145f306dc9c882a5u, 0x28be60db9391054au, 0x517cc1b727220a94u,
    0xa2f9836e4e441529u, 0x45f306dc9c882a53u, 0x8be60db9391054a7u, 0x17cc1b727220a94fu,
    0x2f9836e4e441529fu, 0x5f306dc9c882a53fu, 0xbe60db9391054a7fu, 0x7cc1b727220a94feu,
    0xf9836e4e441529fcu, 0xf306dc9c882a53f8u, 0xe60db9391054a7f0u, 0xcc1b727220a94fe1u,
    0x9836e4e441529fc2u, 0x306dc9c882a53f84u, 0x60db9391054a7f09u, 0xc1b727220a94fe13u,
    0x836e4e441529fc27u, 0x06dc9c882a53f84eu, 0x0db9391054a7f09du, 0x1b727220a94fe13au,
    0x36e4e441529fc275u, 0x6dc9c882a53f84eau, 0xdb9391054a7f09d5u, 0xb727220a94fe13abu,
    0x6e4e441529fc2757u, 0xdc9c882a53f84eafu, 0xb9391054a7f09d5fu, 0x727220a94fe13abeu,
    0xe4e441529fc2757du, 0xc9c882a53f84eafau, 0x9391054a7f09d5f4u, 0x27220a94fe13abe8u,
    0x4e441529fc2757d1u, 0x9c882a53f84eafa3u, 0x391054a7f09d5f47u, 0x7220a94fe13abe8fu,
    0xe441529fc2757d1fu, 0xc882a53f84eafa3eu, 0x91054a7f09d5f47du, 0x220a94fe13abe8fau,
    0x441529fc2757d1f5u, 0x882a53f84eafa3eau, 0x1054a7f09d5f47d4u, 0x20a94fe13abe8fa9u,
    0x41529fc2757d1f53u, 0x82a53f84eafa3ea6u, 0x054a7f09d5f47d4du, 0x0a94fe13abe8fa9au,
    0x1529fc2757d1f534u, 0x2a53f84eafa3ea69u, 0x54a7f09d5f47d4d3u, 0xa94fe13abe8fa9a6u,
    0x529fc2757d1f534du, 0xa53f84eafa3ea69bu, 0x4a7f09d5f47d4d37u, 0x94fe13abe8fa9a6eu,
    0x29fc2757d1f534ddu, 0x53f84eafa3ea69bbu, 0xa7f09d5f47d4d377u, 0x4fe13abe8fa9a6eeu,
    0x9fc2757d1f534ddcu, 0x3f84eafa3ea69bb8u, 0x7f09d5f47d4d3770u, 0xfe13abe8fa9a6ee0u,
    0xfc2757d1f534ddc0u, 0xf84eafa3ea69bb81u, 0xf09d5f47d4d37703u, 0xe13abe8fa9a6ee06u,
    0xc2757d1f534ddc0du, 0x84eafa3ea69bb81bu, 0x09d5f47d4d377036u, 0x13abe8fa9a6ee06du,
    0x2757d1f534ddc0dbu, 0x4eafa3ea69bb81b6u, 0x9d5f47d4d377036du, 0x3abe8fa9a6ee06dbu,
    0x757d1f534ddc0db6u, 0xeafa3ea69bb81b6cu, 0xd5f47d4d377036d8u, 0xabe8fa9a6ee06db1u,
    0x57d1f534ddc0db62u, 0xafa3ea69bb81b6c5u, 0x5f47d4d377036d8au, 0xbe8fa9a6ee06db14u,
    0x7d1f534ddc0db629u, 0xfa3ea69bb81b6c52u, 0xf47d4d377036d8a5u, 0xe8fa9a6ee06db14au,
    0xd1f534ddc0db6295u, 0xa3ea69bb81b6c52bu, 0x47d4d377036d8a56u, 0x8fa9a6ee06db14acu,
    0x1f534ddc0db62959u, 0x3ea69bb81b6c52b3u, 0x7d4d377036d8a566u, 0xfa9a6ee06db14accu,
    0xf534ddc0db629599u, 0xea69bb81b6c52b32u, 0xd4d377036d8a5664u, 0xa9a6ee06db14acc9u,
    0x534ddc0db6295993u, 0xa69bb81b6c52b327u, 0x4d377036d8a5664fu, 0x9a6ee06db14acc9eu};
static const uint32_t gc_turns_low[128] = {
    0x441529fcu, 0x882a53f8u, 0x1054a7f0u, 0x20a94fe1u, 0x41529fc2u, 0x82a53f84u,
    0x054a7f09u, 0x0a94fe13u, 0x1529fc27u, 0x2a53f84eu, 0x54a7f09du, 0xa94fe13au,
    0x529fc275u, 0xa53f84eau, 0x4a7f09d5u, 0x94fe13abu, 0x29fc2757u, 0x53f84eafu,
    0xa7f09d5fu, 0x4fe13abeu, 0x9fc2757du, 0x3f84eafau, 0x7f09d5f4u, 0xfe13abe8u,
    0xfc2757d1u, 0xf84eafa3u, 0xf09d5f47u, 0xe13abe8fu, 0xc2757d1fu, 0x84eafa3eu,
    0x09d5f47du, 0x13abe8fau, 0x2757d1f5u, 0x4eafa3eau, 0x9d5f47d4u, 0x3abe8fa9u,
    0x757d1f53u, 0xeafa3ea6u, 0xd5f47d4du, 0xabe8fa9au, 0x57d1f534u, 0xafa3ea69u,
    0x5f47d4d3u, 0xbe8fa9a6u, 0x7d1f534du, 0xfa3ea69bu, 0xf47d4d37u, 0xe8fa9a6eu,
    0xd1f534ddu, 0xa3ea69bbu, 0x47d4d377u, 0x8fa9a6eeu, 0x1f534ddcu, 0x3ea69bb8u,
    0x7d4d3770u, 0xfa9a6ee0u, 0xf534ddc0u, 0xea69bb81u, 0xd4d37703u, 0xa9a6ee06u,
    0x534ddc0du, 0xa69bb81bu, 0x4d377036u, 0x9a6ee06du, 0x34ddc0dbu, 0x69bb81b6u,
    0xd377036du, 0xa6ee06dbu, 0x4ddc0db6u, 0x9bb81b6cu, 0x377036d8u, 0x6ee06db1u,
    0xddc0db62u, 0xbb81b6c5u, 0x77036d8au, 0xee06db14u, 0xdc0db629u, 0xb81b6c52u,
    0x7036d8a5u, 0xe06db14au, 0xc0db6295u, 0x81b6c52bu, 0x036d8a56u, 0x06db14acu,
    0x0db62959u, 0x1b6c52b3u, 0x36d8a566u, 0x6db14accu, 0xdb629599u, 0xb6c52b32u,
    0x6d8a5664u, 0xdb14acc9u, 0xb6295993u, 0x6c52b327u, 0xd8a5664fu, 0xb14acc9eu,
    0x6295993cu, 0xc52b3278u, 0x8a5664f1u, 0x14acc9e2u, 0x295993c4u, 0x52b32788u,
    0xa5664f10u, 0x4acc9e21u, 0x95993c43u, 0x2b327887u, 0x5664f10eu, 0xacc9e21cu,
    0x5993c439u, 0xb3278872u, 0x664f10e4u, 0xcc9e21c8u, 0x993c4390u, 0x32788720u,
    0x64f10e41u, 0xc9e21c82u, 0x93c43904u, 0x27887208u, 0x4f10e410u, 0x9e21c820u,
    0x3c439041u, 0x78872083u, 0xf10e4107u, 0xe21c820fu, 0xc439041fu, 0x8872083fu,
    0x10e4107fu, 0x21c820ffu};

/* x = q pi/2 + r with |r| <= pi/4, q modulo 4. Below 2^15 pi/2 is subtracted in three parts. Above, the
 * integer mantissa times the window of 1/(2 pi) that its exponent selects gives the fraction of a turn
 * in 64-bit fixed point (M. Payne and R. Hanek, Radian Reduction for Trigonometric Functions, 1983).
 * Both are computed, so that the loop stays free of branches. */
typedef struct { float r; uint32_t quadrant; } gc_reduced_f32;
GC_INLINE gc_reduced_f32 gc_reduce_f32(float x) {
    float a = __builtin_fabsf(x);
    gc_rounded_f32 n = gc_nearest_f32(a * 0.636619772f);
    float r = __builtin_fmaf(n.real, -0x1.921fb6p+0f, a);
    r = __builtin_fmaf(n.real, 0x1.777a5cp-25f, r);
    r = __builtin_fmaf(n.real, 0x1.ee59dap-50f, r);
    uint32_t u = gc_bits_f32(a);
    uint32_t row = (u >> 23) & 127u;
    uint64_t mantissa = (u & 0x007fffffu) | 0x00800000u;
    uint64_t turns = mantissa * gc_turns_high[row] + ((mantissa * gc_turns_low[row]) >> 32);
    uint64_t quadrant = (turns + 0x2000000000000000u) >> 62;
    float fraction = (float)(int64_t)(turns - (quadrant << 62)) * 0x1.921fb6p-62f;
    int large = a >= 32768.0f;
    gc_reduced_f32 out = {large ? fraction : r, large ? (uint32_t)quadrant : (uint32_t)n.whole};
    return out;
}
GC_INLINE float gc_sine_f32(float r) { /* |r| <= pi/4, degree 9 */
    float t = r * r;
    float s = 2.717938741625403e-06f;
    s = __builtin_fmaf(s, t, -0.00019839295418933034f);
    s = __builtin_fmaf(s, t, 0.008333329111337662f);
    s = __builtin_fmaf(s, t, -0.1666666716337204f);
    return __builtin_fmaf(r * t, s, r);
}
GC_INLINE float gc_cosine_f32(float r) { /* |r| <= pi/4, degree 8 */
    float t = r * r;
    float c = 2.4434837541775778e-05f;
    c = __builtin_fmaf(c, t, -0.0013887337408959866f);
    c = __builtin_fmaf(c, t, 0.04166664555668831f);
    return __builtin_fmaf(t * t, c, __builtin_fmaf(-0.5f, t, 1.0f));
}

/* sin(x) and cos(x) for every float; infinities give NaN. At most 2.7 ulp, over every 37th float. */
GC_INLINE float gc_sin_f32(float x) {
    gc_reduced_f32 n = gc_reduce_f32(x);
    float y = n.quadrant & 1u ? gc_cosine_f32(n.r) : gc_sine_f32(n.r);
    y = gc_float_f32(gc_bits_f32(y) ^ (n.quadrant & 2u) << 30 ^ (gc_bits_f32(x) & 0x80000000u));
    return x - x == 0.0f ? y : x - x;
}
GC_INLINE float gc_cos_f32(float x) {
    gc_reduced_f32 n = gc_reduce_f32(x);
    float y = n.quadrant & 1u ? gc_sine_f32(n.r) : gc_cosine_f32(n.r);
    y = gc_float_f32(gc_bits_f32(y) ^ ((n.quadrant + 1u) & 2u) << 30);
    return x - x == 0.0f ? y : x - x;
}

/* exp in double: as gc_exp_f32, degree 11 in all. At most 1.1 ulp, over 2.6 million samples. */
GC_INLINE double gc_exp_f64(double x) {
    gc_rounded_f64 n = gc_nearest_f64(x * 1.4426950408889634);
    double r = __builtin_fma(n.real, -0x1.62e42fefa38p-1, x);
    r = __builtin_fma(n.real, -0x1.ef35793c7673p-45, r);
    double q = 2.49999129520402e-08;
    q = __builtin_fma(q, r, 2.7630378723623466e-07);
    q = __builtin_fma(q, r, 2.7557587514363036e-06);
    q = __builtin_fma(q, r, 2.4801492762802962e-05);
    q = __builtin_fma(q, r, 0.00019841269504566983);
    q = __builtin_fma(q, r, 0.0013888888943922276);
    q = __builtin_fma(q, r, 0.008333333333495717);
    q = __builtin_fma(q, r, 0.04166666666652919);
    q = __builtin_fma(q, r, 0.1666666666666641);
    q = __builtin_fma(q, r, 0.5000000000000011);
    double p = __builtin_fma(r * r, q, r) + 1.0;
    int64_t half = n.whole >> 1;
    double y = p * gc_power_of_two_f64(half) * gc_power_of_two_f64(n.whole - half);
    y = x > 710.0 ? __builtin_inf() : y;
    return x < -746.0 ? 0.0 : y;
}

/* log in double: s = f / (2 + f), log(1 + f) = f - s (f - s^2 R(s^2)), R of degree 6 (the form of
 * K. C. Ng's fdlibm). At most 0.9 ulp, over 2.6 million samples. */
GC_INLINE double gc_log_f64(double x) {
    int64_t tiny = x < 0x1p-1022;
    double scaled = tiny ? x * 0x1p52 : x;
    uint64_t u = gc_bits_f64(scaled) - 0x3fe6a09e667f3bcdu; /* sqrt(1/2) */
    double e = (double)((int64_t)u >> 52) - (tiny ? 52.0 : 0.0);
    double f = gc_float_f64((u & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1.0;
    double s = f / (2.0 + f);
    double t = s * s;
    double p = 0.14797511725044404;
    p = __builtin_fma(p, t, 0.15313902834083568);
    p = __builtin_fma(p, t, 0.18183569756972737);
    p = __builtin_fma(p, t, 0.22222198475617314);
    p = __builtin_fma(p, t, 0.2857142874326696);
    p = __builtin_fma(p, t, 0.3999999999941107);
    p = __builtin_fma(p, t, 0.6666666666666735);
    double h = 0.5 * f * f;
    double y = __builtin_fma(s, __builtin_fma(t, p, h), e * 0x1.ef35793c7673p-45);
    y = __builtin_fma(e, 0x1.62e42fefa38p-1, f - (h - y));
    y = x == __builtin_inf() ? x : y;
    y = x == 0.0 ? -__builtin_inf() : y;
    return x >= 0.0 ? y : __builtin_nan("");
}

/* tanh in double: as gc_tanh_f32, P of degree 12. At most 1.4 ulp, over 2.6 million samples. */
GC_INLINE double gc_tanh_f64(double x) {
    double a = __builtin_fabs(x);
    double t = x * x;
    double p = -2.1150325274781997e-06;
    p = __builtin_fma(p, t, 1.1399858875679216e-05);
    p = __builtin_fma(p, t, -3.618670369057441e-05);
    p = __builtin_fma(p, t, 9.546770456225304e-05);
    p = __builtin_fma(p, t, -0.00023865313426058943);
    p = __builtin_fma(p, t, 0.0005899163485623945);
    p = __builtin_fma(p, t, -0.001455816015562048);
    p = __builtin_fma(p, t, 0.003592125915242277);
    p = __builtin_fma(p, t, -0.008863235363885976);
    p = __builtin_fma(p, t, 0.02186948852778715);
    p = __builtin_fma(p, t, -0.053968253968004774);
    p = __builtin_fma(p, t, 0.13333333333332958);
    p = __builtin_fma(p, t, -0.3333333333333333);
    double small = __builtin_fma(a * t, p, a);
    double large = 1.0 - 2.0 / (gc_exp_f64(a + a) + 1.0);
    return __builtin_copysign(a < 0.625 ? small : large, x); /* the polynomial alone would lose -0.0 */
}

/* As gc_sigmoid_f32. At most 2.3 ulp, over 2.6 million samples. */
GC_INLINE double gc_sigmoid_f64(double x) {
    double e = gc_exp_f64(-__builtin_fabs(x));
    return (x >= 0.0 ? 1.0 : e) / (1.0 + e);
}

/* 1 / sqrt(x), each step correctly rounded: at most 1.5 ulp. */
GC_INLINE float gc_sqrt_f32(float x) { return __builtin_sqrtf(x); }
GC_INLINE double gc_sqrt_f64(double x) { return __builtin_sqrt(x); }
GC_INLINE float gc_rsqrt_f32(float x) { return 1.0f / __builtin_sqrtf(x); }
GC_INLINE double gc_rsqrt_f64(double x) { return 1.0 / __builtin_sqrt(x); }

/* These call libm, one element at a time: as good as it is (glibc: at most 2 ulp), and not
 * vectorised. Those of one float are computed in double and rounded: at most 0.51 ulp. */
#define GC_LIBM(name, function)                                                                   \
    GC_INLINE float gc_##name##_f32(float x) { return (float)__builtin_##function((double)x); }   \
    GC_INLINE double gc_##name##_f64(double x) { return __builtin_##function(x); }
#define GC_LIBM_F64(name) \
    GC_INLINE double gc_##name##_f64(double x) { return __builtin_##name(x); }

GC_LIBM(exp2, exp2)
GC_LIBM(log2, log2)
GC_LIBM(log10, log10)
GC_LIBM(tan, tan)
GC_LIBM(asin, asin)
GC_LIBM(acos, acos)
GC_LIBM(atan, atan)
GC_LIBM(sinh, sinh)
GC_LIBM(cosh, cosh)
GC_LIBM(asinh, asinh)
GC_LIBM(acosh, acosh)
GC_LIBM(atanh, atanh)
GC_LIBM_F64(expm1)
GC_LIBM_F64(log1p)
GC_LIBM_F64(erf)
GC_LIBM_F64(sin)
GC_LIBM_F64(cos)

GC_INLINE float gc_atan2_f32(float y, float x) { return (float)__builtin_atan2((double)y, (double)x); }
GC_INLINE double gc_atan2_f64(double y, double x) { return __builtin_atan2(y, x); }
GC_INLINE float gc_hypot_f32(float x, float y) { return (float)__builtin_hypot((double)x, (double)y); }
GC_INLINE double gc_hypot_f64(double x, double y) { return __builtin_hypot(x, y); }
GC_INLINE float gc_power_f32(float x, float y) { return (float)__builtin_pow((double)x, (double)y); }
GC_INLINE double gc_power_f64(double x, double y) { return __builtin_pow(x, y); }

/* erfc, erf and lgamma of libm; lgamma's errors grow near its zeros below 0. */
GC_LIBM(erfc, erfc)
GC_LIBM(lgamma, lgamma)

/* erfinv(x): S. Winitzki's approximation (2008) and three steps of Halley's method, on erf below 1/2 and
 * on erfc, whose argument 1 - |x| is exact, above. */
GC_INLINE double gc_erfinv_f64(double x) {
    const double size = __builtin_fabs(x), tail = 1.0 - size;
    const double logs = gc_log_f64(tail * (1.0 + size));
    const double middle = 2.0 / (3.141592653589793 * 0.147) + logs / 2.0;
    double y = __builtin_sqrt(__builtin_sqrt(middle * middle - logs / 0.147) - middle);
    y = size < 1.0 ? y : 0.0;
    for (int i = 0; i < 3; ++i) {
        const double wrong = size < 0.5 ? __builtin_erf(y) - size : tail - __builtin_erfc(y);
        const double step = wrong / (1.1283791670955126 * gc_exp_f64(-y * y));
        y = y - step / (1.0 + y * step);
    }
    y = size == 1.0 ? __builtin_inf() : size < 1.0 ? y : __builtin_nan("");
    return __builtin_copysign(y, x);
}
GC_INLINE float gc_erfinv_f32(float x) { return (float)gc_erfinv_f64((double)x); }

/* digamma(x): moved up to 10 by its recurrence, there the asymptotic series (M. Abramowitz and I. Stegun,
 * Handbook of Mathematical Functions, 6.3.5, 6.3.7 and 6.3.18). */
GC_INLINE double gc_digamma_f64(double x) {
    double z = x < -0.5 ? 1.0 - x : x, total = 0.0;
    for (int i = 0; i < 11; ++i) {
        total = z < 10.0 ? total - 1.0 / z : total;
        z = z < 10.0 ? z + 1.0 : z;
    }
    const double square = 1.0 / (z * z);
    double series = 1.0 / 12.0;
    series = series * square - 691.0 / 32760.0;
    series = series * square + 1.0 / 132.0;
    series = series * square - 1.0 / 240.0;
    series = series * square + 1.0 / 252.0;
    series = series * square - 1.0 / 120.0;
    series = series * square + 1.0 / 12.0;
    const double value = total + (gc_log_f64(z) - 0.5 / z - square * series);
    const double away = x - __builtin_floor(x + 0.5);
    const double turned = 3.141592653589793 / __builtin_tan(3.141592653589793 * away);
    return x < -0.5 ? (away == 0.0 ? __builtin_nan("") : value - turned) : value;
}
GC_INLINE float gc_digamma_f32(float x) { return (float)gc_digamma_f64((double)x); }

/* log(exp(x) + exp(y)) from the larger; equal infinities have no difference. */
GC_INLINE double gc_logaddexp_f64(double x, double y) {
    const double larger = x > y ? x : y;
    const double value = larger + __builtin_log1p(gc_exp_f64(-__builtin_fabs(x - y)));
    return x == y ? x + 0.6931471805599453 : x != x ? x : y != y ? y : value;
}
GC_INLINE float gc_logaddexp_f32(float x, float y) {
    return (float)gc_logaddexp_f64((double)x, (double)y);
}

GC_INLINE bool gc_signbit_f32(float x) { return gc_bits_f32(x) >> 31; }
GC_INLINE bool gc_signbit_f64(double x) { return gc_bits_f64(x) >> 63; }
GC_INLINE float gc_nextafter_f32(float x, float y) { return __builtin_nextafterf(x, y); }
GC_INLINE double gc_nextafter_f64(double x, double y) { return __builtin_nextafter(x, y); }

/* x as m * 2^e with 0.5 <= |m| < 1; 0, NaN and the infinities are their own m, with e = 0. */
GC_INLINE float gc_frexp_mantissa_f32(float x) { int e; return __builtin_frexpf(x, &e); }
GC_INLINE double gc_frexp_mantissa_f64(double x) { int e; return __builtin_frexp(x, &e); }
GC_INLINE int32_t gc_frexp_exponent_f64(double x) {
    int e;
    __builtin_frexp(x, &e);
    return x - x == 0.0 ? e : 0;
}
GC_INLINE int32_t gc_frexp_exponent_f32(float x) { return gc_frexp_exponent_f64((double)x); }

/* x * 2^floor(y), rounded once; beyond 5000 steps every float is 0 or infinite. */
GC_INLINE int gc_steps(double y) {
    return (int)__builtin_floor(y > 5000.0 ? 5000.0 : y < -5000.0 ? -5000.0 : y == y ? y : 0.0);
}
GC_INLINE double gc_ldexp_f64(double x, double y) { return y == y ? __builtin_ldexp(x, gc_steps(y)) : y; }
GC_INLINE float gc_ldexp_f32(float x, float y) {
    return y == y ? __builtin_ldexpf(x, gc_steps((double)y)) : y;
}

#endif
