/* Stable sorting of rows by positions, for host C and for CUDA C++: short runs by insertion, then merges
 * of neighbouring runs.
 *
 * A call computes `count` positions of a sorted row from place `first` on. Where in the two runs a
 * stretch begins is found by bisection along a diagonal of the merge (O. Green, R. McColl and D. Bader,
 * GPU Merge Path, 2012), so that stretches are computed apart and in parallel. NaN is larger than every
 * number, and equal to itself; positions of equal keys keep their order, descending as well. */

#ifdef __cplusplus
#define GC_LANE threadIdx.x
#define GC_LANES blockDim.x
#else
#define GC_LANE 0
#define GC_LANES 1
#endif

#define GC_AS_IT_IS(x) (x)
#define GC_SORT(suffix, stored, type, key)                                                         \
    GC_INLINE bool gc_comes_before_##suffix(type a, type b, GC_I64 descending) {                   \
        return descending ? (a > b) | ((a != a) & (b == b)) : (a < b) | ((a == a) & (b != b));     \
    }                                                                                              \
    GC_INLINE void gc_insert_run_##suffix(GC_I64 *out, const stored *keys, GC_I64 descending,      \
                                       GC_I64 start, GC_I64 stop) {                                \
        for (GC_I64 next = start; next < stop; ++next) {                                           \
            const type value = key(keys[next]);                                                    \
            GC_I64 place = next;                                                                   \
            for (; place > start; --place) {                                                       \
                const GC_I64 other = out[place - 1];                                               \
                if (!gc_comes_before_##suffix(value, key(keys[other]), descending)) break;         \
                out[place] = other;                                                                \
            }                                                                                      \
            out[place] = next;                                                                     \
        }                                                                                          \
    }                                                                                              \
    GC_INLINE GC_I64 gc_merge_pair_##suffix(GC_I64 *out, const stored *keys, const GC_I64 *in,     \
                                          GC_I64 length, GC_I64 descending, GC_I64 width,          \
                                          GC_I64 place, GC_I64 end) {                              \
        const GC_I64 base = place / (2 * width) * (2 * width);                                     \
        const GC_I64 middle = base + width < length ? base + width : length;                       \
        const GC_I64 top = base + 2 * width < length ? base + 2 * width : length;                  \
        const GC_I64 taken = place - base;                                                         \
        GC_I64 low = taken > top - middle ? taken - (top - middle) : 0;                            \
        GC_I64 high = taken < middle - base ? taken : middle - base;                               \
        while (low < high) {                                                                       \
            const GC_I64 left = (low + high) / 2;                                                  \
            const GC_I64 a = in[base + left], b = in[middle + taken - 1 - left];                   \
            if (gc_comes_before_##suffix(key(keys[b]), key(keys[a]), descending)) high = left;     \
            else low = left + 1;                                                                   \
        }                                                                                          \
        GC_I64 left = base + low, right = middle + taken - low;                                    \
        const GC_I64 stop = end < top ? end : top;                                                 \
        for (; place < stop; ++place) {                                                            \
            const bool takes_right = right < top                                                   \
                && (left == middle                                                                 \
                    || gc_comes_before_##suffix(key(keys[in[right]]), key(keys[in[left]]),         \
                                                descending));                                      \
            out[place] = takes_right ? in[right++] : in[left++];                                   \
        }                                                                                          \
        return stop;                                                                               \
    }                                                                                              \
    GC_INLINE void gc_sort_runs_##suffix(GC_I64 *out, const stored *keys, GC_I64 length,           \
                                         GC_I64 descending, GC_I64 width, GC_I64 first,            \
                                         GC_I64 count) {                                           \
        const GC_I64 end = first + count;                                                          \
        for (GC_I64 start = first + GC_LANE * width; start < end; start += GC_LANES * width) {     \
            const GC_I64 stop = start + width < length ? start + width : length;                   \
            gc_insert_run_##suffix(out, keys, descending, start, stop);                            \
        }                                                                                          \
    }                                                                                              \
    GC_INLINE void gc_merge_runs_##suffix(GC_I64 *out, const stored *keys, const GC_I64 *in,       \
                                          GC_I64 length, GC_I64 descending, GC_I64 width,          \
                                          GC_I64 first, GC_I64 count) {                            \
        const GC_I64 part = (count + GC_LANES - 1) / GC_LANES, own = part * GC_LANE;               \
        const GC_I64 rest = count - own, end = first + own + (part < rest ? part : rest);          \
        for (GC_I64 place = first + own; place < end;)                                             \
            place = gc_merge_pair_##suffix(out, keys, in, length, descending, width, place, end);  \
    }

GC_SORT(i8, signed char, signed char, GC_AS_IT_IS)
GC_SORT(i16, short, short, GC_AS_IT_IS)
GC_SORT(i32, int, int, GC_AS_IT_IS)
GC_SORT(i64, GC_I64, GC_I64, GC_AS_IT_IS)
GC_SORT(u8, unsigned char, unsigned char, GC_AS_IT_IS)
GC_SORT(u16, unsigned short, unsigned short, GC_AS_IT_IS)
GC_SORT(u32, unsigned, unsigned, GC_AS_IT_IS)
GC_SORT(u64, GC_U64, GC_U64, GC_AS_IT_IS)
GC_SORT(bool, bool, bool, GC_AS_IT_IS)
GC_SORT(f32, float, float, GC_AS_IT_IS)
GC_SORT(f64, double, double, GC_AS_IT_IS)
GC_SORT(f16, unsigned short, float, gc_f16_to_f32)
GC_SORT(bf16, unsigned short, float, gc_bf16_to_f32)
