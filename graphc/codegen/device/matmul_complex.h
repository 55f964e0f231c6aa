/* Products of complex matrices for generated host C: the functions of matmul.h, with plain loops. The text
 * is a template; GC_DTYPE is the suffix of its functions and GC_NUMBER the C type.
 *
 * Every element of a product is one chain of multiply-adds over ascending k, as there. */

#ifndef GC_MATMUL_COMPLEX_NAMES
#define GC_MATMUL_COMPLEX_NAMES
#define GC_PASTE_TEXT(a, b) a##_##b
#define GC_PASTE(a, b) GC_PASTE_TEXT(a, b)
#endif
#define GC_F(name) GC_PASTE(name, GC_DTYPE)

/* packed[k * columns + n] = b[k * k_stride + n * n_stride] */
static void GC_F(gc_pack_right)(GC_NUMBER *restrict packed, const GC_NUMBER *restrict b,
                                int64_t n_stride, int64_t k_stride, int64_t columns, int64_t depth) {
    for (int64_t k = 0; k < depth; k++)
        for (int64_t n = 0; n < columns; n++)
            packed[k * columns + n] = b[k * k_stride + n * n_stride];
}

/* packed[m * stride + k] = a[m * m_stride + k * k_stride] */
static void GC_F(gc_pack_left)(GC_NUMBER *restrict packed, int64_t stride, const GC_NUMBER *restrict a,
                               int64_t m_stride, int64_t k_stride, int64_t rows, int64_t depth) {
    for (int64_t m = 0; m < rows; m++)
        for (int64_t k = 0; k < depth; k++)
            packed[m * stride + k] = a[m * m_stride + k * k_stride];
}

/* tile[rows][columns] (+)= left . right, both packed; `first` starts the sums at zero. */
static void GC_F(gc_multiply_packed)(GC_NUMBER *restrict tile, int64_t tile_stride,
                                     const GC_NUMBER *restrict left, int64_t left_stride,
                                     const GC_NUMBER *restrict right, int64_t rows, int64_t columns,
                                     int64_t depth, bool first) {
    for (int64_t m = 0; m < rows; m++) {
        GC_NUMBER *restrict sums = tile + m * tile_stride;
        for (int64_t n = 0; first && n < columns; n++) sums[n] = (GC_NUMBER){0, 0};
        for (int64_t k = 0; k < depth; k++) {
            const GC_NUMBER a = left[m * left_stride + k];
            for (int64_t n = 0; n < columns; n++)
                sums[n] = GC_F(gc_fused)(a, right[k * columns + n], sums[n]);
        }
    }
}

/* tile[rows][columns] = a . b, of operands where they lie. */
static void GC_F(gc_multiply_rows)(GC_NUMBER *restrict tile, int64_t tile_stride,
                                   const GC_NUMBER *restrict a, int64_t m_stride, int64_t a_stride,
                                   const GC_NUMBER *restrict b, int64_t n_stride, int64_t k_stride,
                                   int64_t rows, int64_t columns, int64_t depth) {
    for (int64_t m = 0; m < rows; m++) {
        GC_NUMBER *restrict sums = tile + m * tile_stride;
        for (int64_t n = 0; n < columns; n++) sums[n] = (GC_NUMBER){0, 0};
        for (int64_t k = 0; k < depth; k++) {
            const GC_NUMBER x = a[m * m_stride + k * a_stride];
            for (int64_t n = 0; n < columns; n++)
                sums[n] = GC_F(gc_fused)(x, b[k * k_stride + n * n_stride], sums[n]);
        }
    }
}

#undef GC_F
