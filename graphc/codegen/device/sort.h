/* Stable sorting of rows by positions: short runs by insertion, then merges of neighbouring runs.
 *
 * A call computes `count` positions of a sorted row from place `first` on. Where in the two runs a
 * stretch begins is found by bisection along a diagonal of the merge (O. Green, R. McColl and D. Bader,
 * GPU Merge Path, 2012), so that stretches are computed apart and in parallel. NaN is larger than every
 * number, and equal to itself; positions of equal keys keep their order, descending as well. */

#define GC_AS_IT_IS(x) (x)
#define GC_SORT(suffix, stored, type, key)                                                         \
    static inline bool gc_comes_before_##suffix(type a, type b, int64_t descending) {             \
        return descending ? (a > b) | ((a != a) & (b == b)) : (a < b) | ((a == a) & (b != b));     \
    }                                                                                              \
    static inline void gc_insert_run_##suffix(int64_t *out, const stored *keys, int64_t descending, \
                                       int64_t start, int64_t stop) {                              \
        for (int64_t next = start; next < stop; ++next) {                                          \
            const type value = key(keys[next]);                                                    \
            int64_t place = next;                                                                  \
            for (; place > start; --place) {                                                       \
                const int64_t other = out[place - 1];                                              \
                if (!gc_comes_before_##suffix(value, key(keys[other]), descending)) break;         \
                out[place] = other;                                                                \
            }                                                                                      \
            out[place] = next;                                                                     \
        }                                                                                          \
    }                                                                                              \
    static inline int64_t gc_merge_pair_##suffix(int64_t *out, const stored *keys, const int64_t *in, \
                                          int64_t length, int64_t descending, int64_t width,       \
                                          int64_t place, int64_t end) {                            \
        const int64_t base = place / (2 * width) * (2 * width);                                    \
        const int64_t middle = base + width < length ? base + width : length;                      \
        const int64_t top = base + 2 * width < length ? base + 2 * width : length;                 \
        const int64_t taken = place - base;                                                        \
        int64_t low = taken > top - middle ? taken - (top - middle) : 0;                           \
        int64_t high = taken < middle - base ? taken : middle - base;                              \
        while (low < high) {                                                                       \
            const int64_t left = (low + high) / 2;                                                 \
            const int64_t a = in[base + left], b = in[middle + taken - 1 - left];                  \
            if (gc_comes_before_##suffix(key(keys[b]), key(keys[a]), descending)) high = left;     \
            else low = left + 1;                                                                   \
        }                                                                                          \
        int64_t left = base + low, right = middle + taken - low;                                   \
        const int64_t stop = end < top ? end : top;                                                \
        for (; place < stop; ++place) {                                                            \
            const bool takes_right = right < top                                                   \
                && (left == middle                                                                 \
                    || gc_comes_before_##suffix(key(keys[in[right]]), key(keys[in[left]]),         \
                                                descending));                                      \
            out[place] = takes_right ? in[right++] : in[left++];                                   \
        }                                                                                          \
        return stop;                                                                               \
    }                                                                                              \
    static inline void gc_sort_runs_##suffix(int64_t *out, const stored *keys, int64_t length,    \
                                      int64_t descending, int64_t width, int64_t first,            \
                                      int64_t count) {                                             \
        const int64_t end = first + count;                                                         \
        for (int64_t start = first; start < end; start += width) {                                 \
            const int64_t stop = start + width < length ? start + width : length;                  \
            gc_insert_run_##suffix(out, keys, descending, start, stop);                            \
        }                                                                                          \
    }                                                                                              \
    static inline void gc_merge_runs_##suffix(int64_t *out, const stored *keys, const int64_t *in, \
                                       int64_t length, int64_t descending, int64_t width,          \
                                       int64_t first, int64_t count) {                             \
        for (int64_t place = first, end = first + count; place < end;)                             \
            place = gc_merge_pair_##suffix(out, keys, in, length, descending, width, place, end);  \
    }

GC_SORT(i8, int8_t, int8_t, GC_AS_IT_IS)
GC_SORT(i16, int16_t, int16_t, GC_AS_IT_IS)
GC_SORT(i32, int32_t, int32_t, GC_AS_IT_IS)
GC_SORT(i64, int64_t, int64_t, GC_AS_IT_IS)
GC_SORT(u8, uint8_t, uint8_t, GC_AS_IT_IS)
GC_SORT(u16, uint16_t, uint16_t, GC_AS_IT_IS)
GC_SORT(u32, uint32_t, uint32_t, GC_AS_IT_IS)
GC_SORT(u64, uint64_t, uint64_t, GC_AS_IT_IS)
GC_SORT(bool, bool, bool, GC_AS_IT_IS)
GC_SORT(f32, float, float, GC_AS_IT_IS)
GC_SORT(f64, double, double, GC_AS_IT_IS)
GC_SORT(f16, uint16_t, float, gc_f16_to_f32)
GC_SORT(bf16, uint16_t, float, gc_bf16_to_f32)
