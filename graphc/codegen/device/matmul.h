/* Matrix products for generated host C: packing and a microkernel (K. Goto and R. van de Geijn, Anatomy
 * of High-Performance Matrix Multiplication, 2008). The text is a template; each copy is for one dtype:
 *
 *     GC_DTYPE         the suffix of its functions
 *     GC_STORED        the C type in memory
 *     GC_NUMBER        the C type that products are summed in, GC_NUMBER_BYTES wide
 *     GC_SAME          1 where these two are the same type
 *     GC_WIDEN(x)      the number that is stored as x
 *     GC_MULTIPLY_ADD  a * b + c, rounded once
 *
 * Every element of a product is one chain of multiply-adds over ascending k. Its bits depend on no tile,
 * no vector width, no number of threads, and not on which of the functions below computes it. Without
 * instructions for multiply-add the chain calls libm, which is slow and right. */

#ifndef GC_MATMUL_SHAPE
#define GC_MATMUL_SHAPE
/* The microkernel keeps GC_MM_ROWS x GC_MM_VECTORS vectors of sums in registers: 24 of the 32 of AVX-512
 * and NEON, 12 of the 16 of AVX. */
#if defined(__AVX512F__)
#define GC_VECTOR_BYTES 64
#define GC_MM_VECTORS 4
#elif defined(__AVX__)
#define GC_VECTOR_BYTES 32
#define GC_MM_VECTORS 2
#else
#define GC_VECTOR_BYTES 16
#define GC_MM_VECTORS 4
#endif
#define GC_MM_ROWS 6
#define GC_MM_FEW_ROWS 4
#define GC_MM_FEW_DEPTH 64
#define GC_JOIN_TEXT(a, b) a##_##b
#define GC_JOIN(a, b) GC_JOIN_TEXT(a, b)
#endif

#define GC_F(name) GC_JOIN(name, GC_DTYPE)
#define GC_LANES (GC_VECTOR_BYTES / GC_NUMBER_BYTES)
#define GC_AHEAD (256 / GC_NUMBER_BYTES)
#define GC_PANEL (GC_MM_VECTORS * GC_LANES)
#define GC_VECTOR GC_F(gc_vector)
#define GC_LOOSE GC_F(gc_loose_vector)

typedef GC_NUMBER GC_VECTOR __attribute__((vector_size(GC_VECTOR_BYTES)));
typedef GC_NUMBER GC_LOOSE __attribute__((vector_size(GC_VECTOR_BYTES), aligned(GC_NUMBER_BYTES)));

GC_INLINE GC_VECTOR GC_F(gc_splat)(GC_NUMBER x) {
    return x - (GC_VECTOR){0}; /* exact, and one instruction: compilers know it as a broadcast */
}

GC_INLINE GC_VECTOR GC_F(gc_multiply_add)(GC_VECTOR a, GC_VECTOR b, GC_VECTOR c) {
    GC_VECTOR r;
    for (int l = 0; l < GC_LANES; l++) r[l] = GC_MULTIPLY_ADD(a[l], b[l], c[l]);
    return r;
}

/* Columns of a panel that begins with `left` columns to go: a multiple of the vector. */
GC_INLINE int64_t GC_F(gc_panel_width)(int64_t left) {
    return left >= GC_PANEL ? GC_PANEL : (left + GC_LANES - 1) / GC_LANES * GC_LANES;
}

/* -- transposing blocks of one vector a side ------------------------------------------------------ */

/* Longer vectors hold integers of one or two bytes, whose blocks would be very many instructions. */
#define GC_TRANSPOSES (GC_SAME && GC_LANES <= 16 && GC_LANES > 1)
#if GC_TRANSPOSES

#if GC_NUMBER_BYTES == 8
typedef int64_t GC_F(gc_mask) __attribute__((vector_size(GC_VECTOR_BYTES)));
#else
typedef int32_t GC_F(gc_mask) __attribute__((vector_size(GC_VECTOR_BYTES)));
#endif

/* Exchanges bit s of the row number and of the column number. */
GC_INLINE void GC_F(gc_transpose_step)(GC_VECTOR r[GC_LANES], const int s) {
    GC_F(gc_mask) low, high;
    for (int l = 0; l < GC_LANES; l++) {
        low[l] = l & s ? GC_LANES + l - s : l;
        high[l] = l & s ? GC_LANES + l : l + s;
    }
#pragma GCC unroll 16
    for (int i = 0; i < GC_LANES; i++)
        if (!(i & s)) {
            const GC_VECTOR a = r[i], b = r[i + s];
            r[i] = __builtin_shuffle(a, b, low);
            r[i + s] = __builtin_shuffle(a, b, high);
        }
}

/* target[k * target_stride + j] = source[j * source_stride + k], of which each row of the source is a
 * stream of its own: more than the processor would follow, so that lines are asked for ahead. */
static __attribute__((noinline)) void GC_F(gc_transpose_block)(
    GC_NUMBER *restrict target, int64_t target_stride, const GC_NUMBER *restrict source,
    int64_t source_stride) {
    GC_VECTOR r[GC_LANES];
#pragma GCC unroll 16
    for (int j = 0; j < GC_LANES; j++) {
        r[j] = *(const GC_LOOSE *)(source + j * source_stride);
        __builtin_prefetch(source + j * source_stride + GC_AHEAD, 0, 2);
    }
    if (GC_LANES > 8) GC_F(gc_transpose_step)(r, 8);
    if (GC_LANES > 4) GC_F(gc_transpose_step)(r, 4);
    if (GC_LANES > 2) GC_F(gc_transpose_step)(r, 2);
    GC_F(gc_transpose_step)(r, 1);
#pragma GCC unroll 16
    for (int k = 0; k < GC_LANES; k++) *(GC_LOOSE *)(target + k * target_stride) = r[k];
}
#endif

/* target[k * target_stride + j] = source[k * k_stride + j * j_stride] for k < depth, j < width */
GC_INLINE void GC_F(gc_copy_block)(GC_NUMBER *restrict target, int64_t target_stride,
                                   const GC_STORED *restrict source, int64_t k_stride,
                                   int64_t j_stride, int64_t depth, int64_t width) {
    int64_t whole = 0;
#if GC_TRANSPOSES
    if (k_stride == 1) {
        for (; whole + GC_LANES <= width; whole += GC_LANES) {
            GC_NUMBER *to = target + whole;
            const GC_NUMBER *from = source + whole * j_stride;
            int64_t k = 0;
            for (; k + GC_LANES <= depth; k += GC_LANES)
                GC_F(gc_transpose_block)(to + k * target_stride, target_stride, from + k, j_stride);
            for (; k < depth; k++)
                for (int64_t j = 0; j < GC_LANES; j++)
                    to[k * target_stride + j] = from[j * j_stride + k];
        }
    }
#endif
    if (j_stride == 1) {
        for (int64_t k = 0; k < depth; k++)
            for (int64_t j = whole; j < width; j++)
                target[k * target_stride + j] = GC_WIDEN(source[k * k_stride + j]);
    } else {
        for (int64_t j = whole; j < width; j++)
            for (int64_t k = 0; k < depth; k++)
                target[k * target_stride + j] = GC_WIDEN(source[k * k_stride + j * j_stride]);
    }
}

/* A panel [depth][panel width] of the first of `columns` columns of b[k * k_stride + n * n_stride]; it is
 * filled up with zeros. */
GC_INLINE void GC_F(gc_copy_panel)(GC_NUMBER *restrict panel, const GC_STORED *restrict b,
                                   int64_t n_stride, int64_t k_stride, int64_t columns, int64_t depth) {
    const int64_t width = GC_F(gc_panel_width)(columns);
    const int64_t used = width < columns ? width : columns;
    GC_F(gc_copy_block)(panel, width, b, k_stride, n_stride, depth, used);
    for (int64_t k = 0; used < width && k < depth; k++)
        for (int64_t j = used; j < width; j++) panel[k * width + j] = 0;
}

/* -- packing -------------------------------------------------------------------------------------- */

/* Columns of the right operand, b[k * k_stride + n * n_stride], as panels of [depth][panel width] one
 * after the other; columns that fill up the last panel are zero. Where a row of b is contiguous, it is
 * read whole, since the rows may lie on pages of their own. */
static void GC_F(gc_pack_right)(GC_NUMBER *restrict panels, const GC_STORED *restrict b,
                                int64_t n_stride, int64_t k_stride, int64_t columns, int64_t depth) {
    const int64_t whole = n_stride == 1 ? columns / GC_PANEL * GC_PANEL : 0;
    for (int64_t k = 0; whole && k < depth; k++) {
        const GC_STORED *restrict row = b + k * k_stride;
        for (int64_t n = 0; n < whole; n += GC_PANEL) {
            GC_NUMBER *restrict to = panels + n * depth + k * GC_PANEL;
            for (int64_t j = 0; j < GC_PANEL; j++) to[j] = GC_WIDEN(row[n + j]);
        }
    }
    for (int64_t n = whole; n < columns; n += GC_PANEL) {
        GC_F(gc_copy_panel)(panels + n * depth, b + n * n_stride, n_stride, k_stride, columns - n, depth);
    }
}

/* Rows of the left operand, a[m * m_stride + k * k_stride], as [rows][stride]; rows that fill up the
 * last group of the microkernel are zero. */
static void GC_F(gc_pack_left)(GC_NUMBER *restrict packed, int64_t stride, const GC_STORED *restrict a,
                               int64_t m_stride, int64_t k_stride, int64_t rows, int64_t depth) {
    if (k_stride == 1) {
        for (int64_t m = 0; m < rows; m++)
            for (int64_t k = 0; k < depth; k++)
                packed[m * stride + k] = GC_WIDEN(a[m * m_stride + k]);
    } else {
        GC_F(gc_copy_block)(packed, stride, a, m_stride, k_stride, rows, depth);
    }
    for (int64_t m = rows; m % GC_MM_ROWS; m++)
        for (int64_t k = 0; k < depth; k++) packed[m * stride + k] = 0;
}

/* -- multiplying ---------------------------------------------------------------------------------- */

GC_INLINE void GC_F(gc_microkernel)(GC_NUMBER *restrict tile, int64_t tile_stride,
                                    const GC_NUMBER *restrict left, int64_t left_stride,
                                    const GC_NUMBER *restrict panel, int64_t depth, bool first,
                                    const int vectors) {
    GC_VECTOR sum[GC_MM_ROWS][GC_MM_VECTORS];
#pragma GCC unroll 16
    for (int i = 0; i < GC_MM_ROWS; i++)
#pragma GCC unroll 16
        for (int j = 0; j < vectors; j++) {
            const GC_VECTOR *before = (const GC_VECTOR *)(tile + i * tile_stride + j * GC_LANES);
            sum[i][j] = first ? (GC_VECTOR){0} : *before;
        }
    for (int64_t k = 0; k < depth; k++) {
        GC_VECTOR b[GC_MM_VECTORS];
#pragma GCC unroll 16
        for (int j = 0; j < vectors; j++)
            b[j] = *(const GC_VECTOR *)(panel + (k * vectors + j) * GC_LANES);
#pragma GCC unroll 16
        for (int i = 0; i < GC_MM_ROWS; i++) {
            const GC_VECTOR a = GC_F(gc_splat)(left[i * left_stride + k]);
#pragma GCC unroll 16
            for (int j = 0; j < vectors; j++) sum[i][j] = GC_F(gc_multiply_add)(a, b[j], sum[i][j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < GC_MM_ROWS; i++)
#pragma GCC unroll 16
        for (int j = 0; j < vectors; j++)
            *(GC_VECTOR *)(tile + i * tile_stride + j * GC_LANES) = sum[i][j];
}

/* tile[rows][columns] (+)= left . right, both packed; `first` starts the sums at zero. */
static void GC_F(gc_multiply_packed)(GC_NUMBER *restrict tile, int64_t tile_stride,
                                     const GC_NUMBER *restrict left, int64_t left_stride,
                                     const GC_NUMBER *restrict right, int64_t rows, int64_t columns,
                                     int64_t depth, bool first) {
    for (int64_t m = 0; m < rows; m += GC_MM_ROWS)
        for (int64_t n = 0; n < columns; n += GC_PANEL) {
            GC_NUMBER *restrict to = tile + m * tile_stride + n;
            const GC_NUMBER *restrict a = left + m * left_stride, *restrict b = right + n * depth;
            switch (GC_F(gc_panel_width)(columns - n) / GC_LANES) {
#define GC_MM_CASE(vectors)                                                                        \
    case vectors:                                                                                  \
        GC_F(gc_microkernel)(to, tile_stride, a, left_stride, b, depth, first, vectors);           \
        break
                GC_MM_CASE(1);
                GC_MM_CASE(2);
#if GC_MM_VECTORS > 2
                GC_MM_CASE(3);
                GC_MM_CASE(4);
#endif
#undef GC_MM_CASE
            }
        }
}

/* Adds a[rows][depth] . b[depth][vectors of columns] to the sums in the tile. */
GC_INLINE void GC_F(gc_add_rows)(GC_NUMBER *restrict tile, int64_t tile_stride,
                                 const GC_STORED *restrict a, int64_t m_stride, int64_t a_stride,
                                 const GC_NUMBER *restrict b, int64_t b_stride, int64_t depth,
                                 const int rows, const int vectors) {
    GC_VECTOR sum[GC_MM_FEW_ROWS][GC_MM_VECTORS];
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++)
            sum[i][j] = *(const GC_VECTOR *)(tile + i * tile_stride + j * GC_LANES);
    for (int64_t k = 0; k < depth; k++)
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++) {
            const GC_VECTOR column = *(const GC_LOOSE *)(b + k * b_stride + j * GC_LANES);
#pragma GCC unroll 4
            for (int i = 0; i < rows; i++) {
                const GC_VECTOR x = GC_F(gc_splat)(GC_WIDEN(a[i * m_stride + k * a_stride]));
                sum[i][j] = GC_F(gc_multiply_add)(x, column, sum[i][j]);
            }
        }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++)
            *(GC_VECTOR *)(tile + i * tile_stride + j * GC_LANES) = sum[i][j];
}

/* tile[rows][columns] = a . b for at most GC_MM_FEW_ROWS rows, which are not worth packing:
 * a[m * m_stride + k * a_stride], b[k * k_stride + n * n_stride]. Where the rows of b are not contiguous,
 * pieces of it pass through a block that stays in the first-level cache. */
static void GC_F(gc_multiply_rows)(GC_NUMBER *restrict tile, int64_t tile_stride,
                                   const GC_STORED *restrict a, int64_t m_stride, int64_t a_stride,
                                   const GC_STORED *restrict b, int64_t n_stride, int64_t k_stride,
                                   int64_t rows, int64_t columns, int64_t depth) {
    GC_NUMBER block[GC_MM_FEW_DEPTH * GC_PANEL] __attribute__((aligned(64)));
    for (int64_t m = 0; m < rows; m++)
        for (int64_t n = 0; n < (columns + GC_LANES - 1) / GC_LANES * GC_LANES; n++)
            tile[m * tile_stride + n] = 0;
    for (int64_t n = 0; n < columns; n += GC_PANEL) {
        const int64_t width = GC_F(gc_panel_width)(columns - n);
        const bool copies = !GC_SAME || n_stride != 1 || columns - n < width;
        const int64_t most = copies ? GC_MM_FEW_DEPTH : depth;
        for (int64_t k = 0; k < depth; k += most) {
            const int64_t count = depth - k < most ? depth - k : most;
            const GC_STORED *restrict from = b + n * n_stride + k * k_stride;
            const GC_STORED *restrict left = a + k * a_stride;
            const GC_NUMBER *restrict right = copies ? block : (const void *)from;
            const int64_t stride = copies ? width : k_stride;
            GC_NUMBER *restrict to = tile + n;
            if (copies) GC_F(gc_copy_panel)(block, from, n_stride, k_stride, columns - n, count);
            switch (rows * 8 + width / GC_LANES) {
#define GC_MM_CASE(rows, vectors)                                                                  \
    case rows * 8 + vectors:                                                                       \
        GC_F(gc_add_rows)(to, tile_stride, left, m_stride, a_stride, right, stride, count, rows,   \
                          vectors);                                                                \
        break
#define GC_MM_CASES(vectors) \
    GC_MM_CASE(1, vectors);  \
    GC_MM_CASE(2, vectors);  \
    GC_MM_CASE(3, vectors);  \
    GC_MM_CASE(4, vectors)
                GC_MM_CASES(1);
                GC_MM_CASES(2);
#if GC_MM_VECTORS > 2
                GC_MM_CASES(3);
                GC_MM_CASES(4);
#endif
#undef GC_MM_CASES
#undef GC_MM_CASE
            }
        }
    }
}

#undef GC_F
#undef GC_LANES
#undef GC_AHEAD
#undef GC_PANEL
#undef GC_VECTOR
#undef GC_LOOSE
#undef GC_TRANSPOSES
