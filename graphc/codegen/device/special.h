/* Special functions of one number, and of a number with parameters, for host C and for CUDA C++.
 *
 * All are computed in double, and rounded for float. Loops are bounded, and short: recurrences that run
 * down (J. Miller's algorithm), the trapezoidal rule on integrands that decay like exp(-u^2), where it
 * converges exponentially (L. Trefethen and J. Weideman, The Exponentially Convergent Trapezoidal Rule,
 * 2014), power series where no digits cancel, continued fractions, and asymptotic series. Formula numbers
 * are those of the Digital Library of Mathematical Functions (https://dlmf.nist.gov). The references in
 * NumPy, in graphc/ir/ops, take the same steps. */

#define GC_INFINITE (1.0 / 0.0)
#define GC_UNDEFINED (0.0 / 0.0)
#define GC_EULER 0.57721566490153286061
/* Of recurrences whose length is data: so that they end. */
#define GC_MOST_STEPS 10000.0

/* -- Bessel functions ------------------------------------------------------------------------------- */

/* J (10.2.2) and Y (10.8) of order 0 or 1. Up to 25 in terms of j(n) = J(n) / (x/2)^n, for which
 * j(n-1) = n j(n) - t j(n+1) with t = x^2/4; beyond, Hankel's expansion (10.17.3, 10.17.4). */
GC_INLINE double gc_bessel(double x, int order, bool is_second) {
    const double size = gc_abs_f64(x), root_half = 0.70710678118654752440;
    if (size == GC_INFINITE) return is_second && x < 0.0 ? GC_UNDEFINED : 0.0;
    if (is_second && x <= 0.0) return x == 0.0 ? -GC_INFINITE : GC_UNDEFINED;
    if (!(size > 25.0)) {
        const double t = 0.25 * x * x;
        double even = 1.0, odd = 0.0, scale = 0.0, even_sum = 0.0, odd_sum = 0.0;
        for (int k = 32; k >= 1; --k) {
            scale = scale * t + 2.0 * even;
            even_sum = even / k - even_sum * t;
            odd_sum = odd * (1.0 / k + 1.0 / (k + 1)) - odd_sum * t;
            odd = 2.0 * k * even - t * odd;
            even = (2.0 * k - 1.0) * odd - t * even;
        }
        scale = scale * t + even;
        const double j0 = even / scale, j1 = 0.5 * x * (odd / scale);
        if (!is_second) return order ? j1 : j0;
        const double logarithm = gc_log_f64(0.5 * x) + GC_EULER;
        const double y0 = logarithm * j0 + 2.0 * t * (even_sum / scale);
        const double y1 = logarithm * j1 - j0 / x - j1 + 0.5 * x * t * (odd_sum / scale);
        return 0.63661977236758134308 * (order ? y1 : y0);
    }
    double term = 1.0, p = 1.0, q = 0.0;
    for (int k = 1; k < 24; ++k) {
        const double base = 2.0 * k - 1.0;
        term = term * (4.0 * order - base * base) / (8.0 * k * size);
        const double signed_term = k & 2 ? -term : term;
        if (k & 1) q += signed_term;
        else p += signed_term;
    }
    const double sine = gc_sin_f64(size), cosine = gc_cos_f64(size);
    const double along = root_half * (cosine + sine), across = root_half * (sine - cosine);
    const double c = order ? across : along, s = order ? -along : across;
    const double turned = is_second ? p * s + q * c : p * c - q * s;
    const double value = gc_sqrt_f64(0.63661977236758134308 / size) * turned;
    return order && x < 0.0 ? -value : value;
}
GC_INLINE double gc_bessel_j0_f64(double x) { return gc_bessel(x, 0, false); }
GC_INLINE double gc_bessel_j1_f64(double x) { return gc_bessel(x, 1, false); }
GC_INLINE double gc_bessel_y0_f64(double x) { return gc_bessel(x, 0, true); }
GC_INLINE double gc_bessel_y1_f64(double x) { return gc_bessel(x, 1, true); }
GC_INLINE float gc_bessel_j0_f32(float x) { return (float)gc_bessel(x, 0, false); }
GC_INLINE float gc_bessel_j1_f32(float x) { return (float)gc_bessel(x, 1, false); }
GC_INLINE float gc_bessel_y0_f32(float x) { return (float)gc_bessel(x, 0, true); }
GC_INLINE float gc_bessel_y1_f32(float x) { return (float)gc_bessel(x, 1, true); }

/* exp(x) K(x) of order 0 or 1: the series (10.31.1, 10.31.2) up to 2, beyond the integral 10.32.9 with
 * u^2 = x (cosh t - 1), by the trapezoidal rule of step 1/3. */
GC_INLINE double gc_scaled_k(double x, int order) {
    if (x <= 0.0) return x == 0.0 ? GC_INFINITE : GC_UNDEFINED;
    if (x <= 2.0) {
        const double t = 0.25 * x * x, logarithm = gc_log_f64(0.5 * x) + GC_EULER;
        double power = 1.0, harmonic = 0.0, sum = 0.0;
        for (int k = 0; k < 16; ++k) {
            const double next = harmonic + 1.0 / (k + 1);
            sum += power * (order ? 2.0 * logarithm - harmonic - next : harmonic - logarithm);
            power = power * t / ((k + 1.0) * (k + 1.0 + order));
            harmonic = next;
        }
        return gc_exp_f64(x) * (order ? 1.0 / x + 0.25 * x * sum : sum);
    }
    double weight = 1.0, ratio = 0.8948393168143698, sum = 0.5; /* exp(-1/9) */
    for (int k = 1; k < 20; ++k) {
        const double square = k * k / 9.0 / x;
        weight *= ratio;
        ratio *= 0.8007374029168081; /* exp(-2/9) */
        sum += weight * (order ? 1.0 + square : 1.0) / gc_sqrt_f64(1.0 + 0.5 * square);
    }
    return gc_sqrt_f64(2.0 / x) * sum / 3.0;
}
GC_INLINE double gc_k0e_f64(double x) { return gc_scaled_k(x, 0); }
GC_INLINE double gc_k1e_f64(double x) { return gc_scaled_k(x, 1); }
GC_INLINE float gc_k0e_f32(float x) { return (float)gc_scaled_k(x, 0); }
GC_INLINE float gc_k1e_f32(float x) { return (float)gc_scaled_k(x, 1); }

/* -- Airy's function -------------------------------------------------------------------------------- */

/* J of order nu and nu + 1, over (z/2)^(their order), by Miller's algorithm with t = z^2/4: `pair[0]` and
 * `pair[1]`, times gamma(nu). The sum that scales them is 10.23.15. */
GC_INLINE void gc_fractional_bessel(double nu, double t, double* pair) {
    double even = 1.0, odd = 0.0, scale = 0.0;
    for (int k = 32; k >= 1; --k) {
        scale = (nu + 2.0 * k) * even + scale * t * ((nu + k) / (k + 1.0));
        odd = (nu + 2.0 * k) * even - t * odd;
        even = (nu + 2.0 * k - 1.0) * odd - t * even;
    }
    scale = nu * even + scale * t * nu;
    pair[0] = even / scale;
    pair[1] = odd / scale;
}

/* Ai, or its derivative. By Bessel functions of order 1/3 and 2/3 (9.6.6, 9.6.7) from -11 to 1.4; beyond,
 * along the path of steepest descent (9.5.4) by the trapezoidal rule of step 1/5; below, 9.7.9. */
GC_INLINE double gc_airy(double x, bool is_slope) {
    const double size = gc_abs_f64(x), root = gc_sqrt_f64(size), zeta = size * root * (2.0 / 3.0);
    const double quarter = gc_sqrt_f64(root);
    if (size == GC_INFINITE) return is_slope && x < 0.0 ? GC_UNDEFINED : 0.0;
    if (x > 1.4) {
        double weight = 1.0, ratio = 0.9607894391523232, sum = 0.5; /* exp(-1/25) */
        for (int k = 1; k < 32; ++k) {
            const double u = k / 5.0, angle = u * u * u / (3.0 * root * quarter);
            weight *= ratio;
            ratio *= 0.9231163463866358; /* exp(-2/25) */
            const double turned = is_slope ? gc_sin_f64(angle) * u / (root * quarter) : 0.0;
            sum += weight * (gc_cos_f64(angle) + turned);
        }
        const double value = gc_exp_f64(-zeta) * sum / (5.0 * 3.14159265358979323846);
        return is_slope ? -value * quarter : value / quarter;
    }
    if (!(x < -11.0)) {
        const double t = x * x * x / -9.0;
        double third[2], thirds[2];
        gc_fractional_bessel(1.0 / 3.0, t, third);
        gc_fractional_bessel(2.0 / 3.0, t, thirds);
        /* Over gamma(1/3) and gamma(2/3), with the powers of 3 of (z/2)^nu. */
        const double below_third = third[0] / 3.0 - t * third[1];
        const double below_thirds = thirds[0] * (2.0 / 3.0) - t * thirds[1];
        return is_slope ? x * x * thirds[0] * 0.11834268462927242 - below_third * 0.2588194037928068
                        : below_thirds * 0.3550280538878172 - x * third[0] * 0.08627313459760229;
    }
    double term = 1.0, p = 1.0, q = 0.0;
    for (int k = 1; k < 24; ++k) {
        term = term * (6.0 * k - 5.0) * (6.0 * k - 1.0) / (72.0 * k * zeta);
        const double own = is_slope ? term * (6.0 * k + 1.0) / (1.0 - 6.0 * k) : term;
        const double signed_term = k & 2 ? -own : own;
        if (k & 1) q += signed_term;
        else p += signed_term;
    }
    const double sine = gc_sin_f64(zeta), cosine = gc_cos_f64(zeta);
    const double along = cosine + sine, across = sine - cosine;
    const double value = is_slope ? (across * p - along * q) * quarter : (along * p + across * q) / quarter;
    return value * 0.39894228040143267794; /* 1 / sqrt(2 pi) */
}
GC_INLINE double gc_airy_ai_f64(double x) { return gc_airy(x, false); }
GC_INLINE double gc_airy_ai_slope_f64(double x) { return gc_airy(x, true); }
GC_INLINE float gc_airy_ai_f32(float x) { return (float)gc_airy(x, false); }
GC_INLINE float gc_airy_ai_slope_f32(float x) { return (float)gc_airy(x, true); }

/* -- incomplete gamma and beta functions ------------------------------------------------------------ */

/* What is left of log(gamma(x)) by Stirling's formula (5.11.1). */
GC_INLINE double gc_stirling_rest(double x) {
    if (x < 10.0) return gc_lgamma_f64(x) - ((x - 0.5) * gc_log_f64(x) - x + 0.91893853320467274178);
    const double square = 1.0 / (x * x);
    double series = 1.0 / 156.0;
    series = series * square - 691.0 / 360360.0;
    series = series * square + 1.0 / 1188.0;
    series = series * square - 1.0 / 1680.0;
    series = series * square + 1.0 / 1260.0;
    series = series * square - 1.0 / 360.0;
    series = series * square + 1.0 / 12.0;
    return series / x;
}

/* away - log(ratio), which is 1 + away: the series near 0, where the difference would lose digits. */
GC_INLINE double gc_surprise(double away, double ratio) {
    if (!(gc_abs_f64(away) < 0.25)) return away - gc_log_f64(ratio < 1e300 ? ratio : 1e300);
    const double turned = away / (2.0 + away), step = turned * turned;
    double odd = 0.0;
    for (int k = 12; k >= 1; --k) odd = (odd + 1.0 / (2.0 * k + 1.0)) * step;
    return away * turned - 2.0 * turned * odd;
}

/* x^a e^(-x) / gamma(a + 1), from the distance of x from a where a is large (5.11.3). */
GC_INLINE double gc_gamma_density(double a, double x) {
    if (a < 10.0) return gc_exp_f64(a * gc_log_f64(x) - x - gc_lgamma_f64(a + 1.0));
    const double size = -a * gc_surprise((x - a) / a, x / a) - gc_stirling_rest(a);
    return gc_exp_f64(size) * gc_sqrt_f64(1.0 / a * 0.15915494309189533577);
}

/* y^p z^q / beta(p, q), where y + z is 1, from the distance of y from p / (p + q): C. Loader's form, whose
 * terms do not cancel (Fast and Accurate Computation of Binomial Probabilities, 2000). */
GC_INLINE double gc_beta_density(double p, double q, double y, double z) {
    const double n = p + q, away = y < z ? p - n * y : n * z - q;
    const double size = p * gc_surprise(-away / p, n / p * y) + q * gc_surprise(away / q, n / q * z);
    const double rest = gc_stirling_rest(n) - gc_stirling_rest(p) - gc_stirling_rest(q);
    return gc_exp_f64(rest - size) * gc_sqrt_f64(p * (q / n) * 0.15915494309189533577);
}

/* One step of a continued fraction whose next terms are `above` and `below`: J. Lentz's method, which divides
 * by no zero (I. Thompson and A. Barnett, Coulomb and Bessel Functions, 1986). Gives the step's factor. */
GC_INLINE double gc_fraction_step(double above, double below, double* c, double* d) {
    const double tiny = 1e-300, divisor = below + above * *d, quotient = below + above / *c;
    *d = 1.0 / (gc_abs_f64(divisor) < tiny ? tiny : divisor);
    *c = gc_abs_f64(quotient) < tiny ? tiny : quotient;
    return *c * *d;
}

/* Q(a, x) of a below 0.1 and x below 1/4: by the power series 8.7.1 without its first term, and with the
 * series 5.7.3 of log(gamma(1 + a)), because 1 - P would have no digits. */
GC_INLINE double gc_upper_of_little(double a, double x) {
    const double near_one[15] = {
        0.06250095514121302, -0.06666870588242048, 0.07143294629536133, -0.0769325164113522,
        0.08335384054610899, -0.09095401714582904, 0.10009945751278182, -0.11133426586956473,
        0.12550966952474307, -0.14404989676884614, 0.16955717699740813, -0.2073855510286741,
        0.27058080842778454, -0.4006856343865313, 0.8224670334241133};
    double polynomial = 0.0, term = 1.0, sum = 0.0;
    for (int k = 0; k < 15; ++k) polynomial = polynomial * a + near_one[k];
    const double power = a * gc_log_f64(x) - (a * polynomial - GC_EULER) * a;
    for (int k = 1; k < 13; ++k) {
        term *= -x / k;
        sum += term / (a + k);
    }
    return -gc_expm1_f64(power) - gc_exp_f64(power) * a * sum;
}

/* P(a, x), or Q(a, x) = 1 - P: by the power series 8.7.1 up to a + 1, by the continued fraction 8.9.2 beyond.
 * Of large a the integral over the tail, with exp(s - exp(-s)) of its width as the variable (H. Takahasi and
 * M. Mori, Double Exponential Formulas for Numerical Integration, 1974). */
GC_INLINE double gc_incomplete_gamma(double a, double x, bool is_upper) {
    if (!(a >= 0.0) || !(x >= 0.0) || (a == x && (a == 0.0 || a == GC_INFINITE))) return GC_UNDEFINED;
    if (a == 0.0 || x == GC_INFINITE) return is_upper ? 0.0 : 1.0;
    if (x == 0.0 || a == GC_INFINITE) return is_upper ? 1.0 : 0.0;
    const bool is_low = x < (a < 0.1 ? 0.25 : a + 1.0);
    if (is_upper && is_low && a < 0.1) return gc_upper_of_little(a, x);
    double share;
    if (a > 200.0) {
        const double slope = gc_abs_f64(x - a + 1.0), bend = gc_sqrt_f64(a);
        const double width = 1.0 / (slope > bend ? slope : bend);
        share = 0.0;
        for (int k = -48; k <= 48; ++k) {
            const double s = k / 12.0, near = gc_exp_f64(-s), v = width * gc_exp_f64(s - near);
            const double moved = is_low ? -v : v;
            if (moved > -1.0)
                share += gc_exp_f64((a - 1.0) * gc_log1p_f64(moved) - x * moved) * v * (1.0 + near);
        }
        share *= a / 12.0;
    } else if (is_low) {
        double term = 1.0;
        share = 1.0;
        for (int k = 1; k < 500 && term > 1e-17 * share; ++k) {
            term *= x / (a + k);
            share += term;
        }
    } else {
        double below = x + 1.0 - a, c = 1e300, d = 1.0 / below, factor = 0.0;
        share = d;
        for (int k = 1; k < 500 && gc_abs_f64(factor - 1.0) > 1e-16; ++k) {
            below += 2.0;
            factor = gc_fraction_step(k * (a - k), below, &c, &d);
            share *= factor;
        }
        share *= a;
    }
    share *= gc_gamma_density(a, x);
    share = share < 1.0 ? share : 1.0;
    return is_low == is_upper ? 1.0 - share : share;
}
GC_INLINE double gc_gammainc_f64(double a, double x) { return gc_incomplete_gamma(a, x, false); }
GC_INLINE double gc_gammaincc_f64(double a, double x) { return gc_incomplete_gamma(a, x, true); }
GC_INLINE float gc_gammainc_f32(float a, float x) { return (float)gc_incomplete_gamma(a, x, false); }
GC_INLINE float gc_gammaincc_f32(float a, float x) { return (float)gc_incomplete_gamma(a, x, true); }

/* The regularized incomplete beta function: the continued fraction 8.17.22, or of large p the integral over the
 * tail, of the smaller part (8.17.4), but not where what is left of 1 would have no digits, as for little b, which
 * makes it steep at 0 alone. Where one parameter is 0 or infinite, all of the distribution is at 0 or at 1. */
GC_INLINE double gc_betainc_f64(double a, double b, double x) {
    if (!(a >= 0.0) || !(b >= 0.0) || !(x >= 0.0) || !(x <= 1.0)) return GC_UNDEFINED;
    if (a == b && (a == 0.0 || a == GC_INFINITE)) return GC_UNDEFINED;
    if (a == 0.0 || b == GC_INFINITE) return x > 0.0 ? 1.0 : 0.0;
    if (b == 0.0 || a == GC_INFINITE) return x < 1.0 ? 0.0 : 1.0;
    if (x == 0.0 || x == 1.0) return x;
    if (a + b < 1e-200) { /* it depends on the quotient alone */
        a *= 1e100;
        b *= 1e100;
    }
    a = a > 1e-290 ? a : 1e-290;
    b = b > 1e-290 ? b : 1e-290;
    const bool is_mirrored = x > (a + 1.0) / (a + b + 2.0) && (b > 0.05 || x > 0.999);
    const double p = is_mirrored ? b : a, q = is_mirrored ? a : b;
    const double y = is_mirrored ? 1.0 - x : x, z = is_mirrored ? x : 1.0 - x;
    double share;
    if (p > 200.0) {
        const double slope = (y < z ? p - (p + q) * y : (p + q) * z - q) - (z - y);
        const double steep = gc_abs_f64(q < 1.0 ? (p - 1.0) * z : slope);
        const double bend = gc_sqrt_f64(p * z * z + q * y * y), width = 1.0 / (steep > bend ? steep : bend);
        share = 0.0;
        for (int k = -48; k <= 48; ++k) {
            const double s = k / 12.0, near = gc_exp_f64(-s), v = width * gc_exp_f64(s - near);
            if (!(v * z < 1.0)) continue;
            const double low = (p - 1.0) * gc_surprise(-v * z, 1.0 - v * z);
            const double high = (q - 1.0) * gc_surprise(v * y, 1.0 + v * y);
            share += gc_exp_f64(-slope * v - low - high) * v * (1.0 + near);
        }
        share /= 12.0;
    } else {
        double c = 1e300, d = 1.0, factor = 0.0;
        share = 1.0;
        for (int k = 0; k < 1000 && gc_abs_f64(factor - 1.0) > 1e-16; ++k) {
            const double m = k, at = p + 2.0 * m;
            share *= gc_fraction_step(-(p + m) * (p + q + m) * y / (at * (at + 1.0)), 1.0, &c, &d);
            factor = gc_fraction_step((m + 1.0) * (q - m - 1.0) * y / ((at + 1.0) * (at + 2.0)), 1.0, &c, &d);
            share *= factor;
        }
        share /= p;
    }
    share *= gc_beta_density(p, q, y, z);
    share = share > 1.0 ? 1.0 : share;
    return is_mirrored ? 1.0 - share : share;
}
GC_INLINE float gc_betainc_f32(float a, float b, float x) { return (float)gc_betainc_f64(a, b, x); }

/* -- exponential integrals and Dawson's integral ---------------------------------------------------- */

/* E of order n, a whole number: the series 8.19.8 up to 1, the continued fraction 8.19.17 beyond; from order
 * 0 down, as derivatives have them, by the recurrence 8.19.12. */
GC_INLINE double gc_expn_f64(double n, double x) {
    if (!(n >= -GC_MOST_STEPS) || n != gc_floor_f64(n) || !(x >= 0.0)) return GC_UNDEFINED;
    if (x == GC_INFINITE || n == GC_INFINITE) return 0.0;
    if (x == 0.0) return n < 2.0 ? GC_INFINITE : 1.0 / (n - 1.0);
    if (n <= 0.0) {
        const double power = gc_exp_f64(-x);
        double value = power / x;
        for (double k = 1.0; k <= -n; k += 1.0) value = (power + k * value) / x;
        return value;
    }
    if (x > 1.0) {
        double below = x + n, c = 1e300, d = 1.0 / below, share = d, factor = 0.0;
        for (int k = 1; k < 500 && gc_abs_f64(factor - 1.0) > 1e-16; ++k) {
            below += 2.0;
            factor = gc_fraction_step(-k * (n + k - 1.0), below, &c, &d);
            share *= factor;
        }
        return share * gc_exp_f64(-x);
    }
    double power = 1.0, sum = 0.0, digamma = -GC_EULER;
    for (int k = 0; k < 24; ++k) {
        sum += k == n - 1.0 ? power * (digamma - gc_log_f64(x)) : power / (n - 1.0 - k);
        power *= -x / (k + 1.0);
        digamma += k + 1.0 < n ? 1.0 / (k + 1.0) : 0.0;
    }
    return sum;
}
GC_INLINE float gc_expn_f32(float n, float x) { return (float)gc_expn_f64(n, x); }

/* Ei: -E1(-x) below 0, the series 6.6.2 up to 40, 6.12.2 beyond. */
GC_INLINE double gc_expi_f64(double x) {
    if (x < 0.0) return -gc_expn_f64(1.0, -x);
    if (x == 0.0) return -GC_INFINITE;
    if (x == GC_INFINITE || x != x) return x;
    double term = 1.0, sum = 0.0;
    if (x <= 40.0) {
        for (int k = 1; k < 140; ++k) {
            term *= x / k;
            sum += term / k;
        }
        return GC_EULER + gc_log_f64(x) + sum;
    }
    for (int k = 1; k < 40; ++k) {
        sum += term;
        term *= k / x;
    }
    return gc_exp_f64(x) / x * sum;
}
GC_INLINE float gc_expi_f32(float x) { return (float)gc_expi_f64(x); }

/* exp(-x^2) times the integral of exp(t^2): the sum of exp(-(x - n h)^2) / n over odd n (G. Rybicki, Dawson's
 * Integral and the Sampling Theorem, 1989), with n counted from the one nearest to x. */
GC_INLINE double gc_dawsn_f64(double x) {
    const double size = gc_abs_f64(x), h = 0.25;
    if (size < 0.25) {
        double sum = 0.0;
        for (int k = 14; k >= 1; --k) sum = -2.0 * x * x / (2.0 * k + 1.0) * (1.0 + sum);
        return x + x * sum;
    }
    if (!(size < 1e8)) return 0.5 / x;
    const double middle = 2.0 * gc_floor_f64(0.5 * size / h + 0.5), rest = size - middle * h;
    double sum = 0.0;
    for (int k = -27; k <= 27; k += 2) {
        const double away = rest - k * h;
        sum += gc_exp_f64(-away * away) / (middle + k);
    }
    sum *= 0.56418958354775628695; /* 1 / sqrt(pi) */
    return x < 0.0 ? -sum : sum;
}
GC_INLINE float gc_dawsn_f32(float x) { return (float)gc_dawsn_f64(x); }

/* -- Fresnel's integrals ---------------------------------------------------------------------------- */

/* S (7.2.8), or C (7.2.7): the power series 7.6.4 and 7.6.6 up to 1.5; beyond, by 7.5.3 and 7.5.4 from the
 * integrals 7.7.10 and 7.7.11 with t = u^2, by the trapezoidal rule of step 1/5. */
GC_INLINE double gc_fresnel(double x, bool is_sine) {
    const double size = gc_abs_f64(x), half_pi = 1.57079632679489661923;
    if (size == GC_INFINITE) return x < 0.0 ? -0.5 : 0.5;
    if (!(size > 1.5)) {
        const double angle = half_pi * x * x, square = angle * angle;
        double sum = 0.0;
        for (int k = 14; k >= 0; --k) {
            const double m = 2.0 * k + (is_sine ? 1.0 : 0.0);
            sum = 1.0 / (2.0 * m + 1.0) - sum * square / ((m + 1.0) * (m + 2.0));
        }
        return is_sine ? x * angle * sum : x * sum;
    }
    double weight = 1.0, ratio = 0.9607894391523232, f = 0.5, g = 0.0; /* exp(-1/25) */
    for (int k = 1; k < 32; ++k) {
        const double square = k * k / 25.0 / (half_pi * size * size);
        weight *= ratio;
        ratio *= 0.9231163463866358; /* exp(-2/25) */
        f += weight / (1.0 + square * square);
        g += weight * square / (1.0 + square * square);
    }
    const double scale = 0.3591742442503331 / size / 5.0; /* (2 / pi)^(3/2) / sqrt(2) */
    /* The angle pi x^2 / 2 in turns, of which the square of a whole number is 0 or a quarter. */
    const double whole = gc_floor_f64(size), part = size - whole;
    const double odd = 0.25 * (whole - 2.0 * gc_floor_f64(0.5 * whole));
    const double over = 0.5 * whole * part + 0.25 * part * part;
    const double angle = 4.0 * half_pi * (odd + (over - gc_floor_f64(over)));
    const double sine = gc_sin_f64(angle), cosine = gc_cos_f64(angle);
    const double rest = is_sine ? f * cosine + g * sine : g * cosine - f * sine;
    const double value = 0.5 - scale * rest;
    return x < 0.0 ? -value : value;
}
GC_INLINE double gc_fresnel_s_f64(double x) { return gc_fresnel(x, true); }
GC_INLINE double gc_fresnel_c_f64(double x) { return gc_fresnel(x, false); }
GC_INLINE float gc_fresnel_s_f32(float x) { return (float)gc_fresnel(x, true); }
GC_INLINE float gc_fresnel_c_f32(float x) { return (float)gc_fresnel(x, false); }

/* -- sine and cosine integrals ---------------------------------------------------------------------- */

/* Si (6.2.9), or Ci of |x| (6.2.11): the power series 6.6.5 and 6.6.6 up to 4; beyond, by 6.2.17 to 6.2.20 from
 * the integrals 6.7.13 and 6.7.14 with x t = exp(s - exp(-s)), by the trapezoidal rule of step 1/12. */
GC_INLINE double gc_si_or_ci(double x, bool is_cosine) {
    const double size = gc_abs_f64(x), half_pi = 1.57079632679489661923;
    if (is_cosine && x == 0.0) return -GC_INFINITE;
    if (is_cosine && size == GC_INFINITE) return x < 0.0 ? GC_UNDEFINED : 0.0;
    if (size == GC_INFINITE) return x < 0.0 ? -half_pi : half_pi;
    if (!(size > 4.0)) {
        const double square = x * x;
        double sum = 0.0;
        for (int k = 18; k >= 1; --k) {
            const double m = 2.0 * k + (is_cosine ? 0.0 : 1.0);
            sum = (1.0 / m - sum) * square / (m * (m - 1.0));
        }
        return is_cosine ? GC_EULER + gc_log_f64(size) - sum : x - x * sum;
    }
    double f = 0.0, g = 0.0;
    for (int k = -48; k <= 48; ++k) {
        const double s = k / 12.0, near = gc_exp_f64(-s), v = gc_exp_f64(s - near), t = v / size;
        const double height = gc_exp_f64(-v) * v * (1.0 + near) / (1.0 + t * t);
        f += height;
        g += height * t;
    }
    const double sine = gc_sin_f64(size), cosine = gc_cos_f64(size), scale = 1.0 / (12.0 * size);
    if (is_cosine) return scale * (f * sine - g * cosine);
    const double value = half_pi - scale * (f * cosine + g * sine);
    return x < 0.0 ? -value : value;
}
GC_INLINE double gc_sine_integral_f64(double x) { return gc_si_or_ci(x, false); }
GC_INLINE double gc_cosine_integral_f64(double x) { return gc_si_or_ci(x, true); }
GC_INLINE float gc_sine_integral_f32(float x) { return (float)gc_si_or_ci(x, false); }
GC_INLINE float gc_cosine_integral_f32(float x) { return (float)gc_si_or_ci(x, true); }

/* -- orthogonal polynomials ------------------------------------------------------------------------- */

/* Of degree n by the recurrences 18.9.1, each with the parameter of which its derivative has the next: 0
 * below degree 0, NaN beyond GC_MOST_STEPS. */
#define GC_RECURRENCE(next)                                                                        \
    if (!(n <= GC_MOST_STEPS)) return GC_UNDEFINED;                                              \
    double before = 0.0, value = n >= 0.0 ? 1.0 : 0.0;                                             \
    for (double k = 0.0; k < n; k += 1.0) {                                                        \
        const double after = next;                                                                 \
        before = value;                                                                            \
        value = after;                                                                             \
    }                                                                                              \
    return value;

GC_INLINE double gc_gegenbauer_f64(double x, double n, double a) {
    GC_RECURRENCE((2.0 * (k + a) * x * value - (k + 2.0 * a - 1.0) * before) / (k + 1.0))
}
GC_INLINE double gc_laguerre_f64(double x, double n, double a) {
    GC_RECURRENCE(((2.0 * k + 1.0 + a - x) * value - (k + a) * before) / (k + 1.0))
}
GC_INLINE double gc_hermite_f64(double x, double n, double a) {
    GC_RECURRENCE(a * (x * value - k * before))
}
GC_INLINE float gc_gegenbauer_f32(float x, float n, float a) { return (float)gc_gegenbauer_f64(x, n, a); }
GC_INLINE float gc_laguerre_f32(float x, float n, float a) { return (float)gc_laguerre_f64(x, n, a); }
GC_INLINE float gc_hermite_f32(float x, float n, float a) { return (float)gc_hermite_f64(x, n, a); }
