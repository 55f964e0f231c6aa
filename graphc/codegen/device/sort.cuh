// Stable sorting of rows by positions: short runs by insertion, then merges of neighbouring runs.
//
// A call computes `count` positions of a sorted row from place `first` on. Where in the two runs a
// stretch begins is found by bisection along a diagonal of the merge (O. Green, R. McColl and D. Bader,
// GPU Merge Path, 2012), so that stretches are computed apart and in parallel. NaN is larger than every
// number, and equal to itself; positions of equal keys keep their order, descending as well.

#define GC_AS_IT_IS(x) (x)
#define GC_SORT(suffix, stored, type, key)                                                         \
    __device__ __forceinline__ bool gc_comes_before_##suffix(type a, type b, long long descending) { \
        return descending ? (a > b) | ((a != a) & (b == b)) : (a < b) | ((a == a) & (b != b));     \
    }                                                                                              \
    __device__ __forceinline__ void gc_insert_run_##suffix(long long *out, const stored *keys, long long descending, \
                                       long long start, long long stop) {                          \
        for (long long next = start; next < stop; ++next) {                                        \
            const type value = key(keys[next]);                                                    \
            long long place = next;                                                                \
            for (; place > start; --place) {                                                       \
                const long long other = out[place - 1];                                            \
                if (!gc_comes_before_##suffix(value, key(keys[other]), descending)) break;         \
                out[place] = other;                                                                \
            }                                                                                      \
            out[place] = next;                                                                     \
        }                                                                                          \
    }                                                                                              \
    __device__ __forceinline__ long long gc_merge_pair_##suffix(long long *out, const stored *keys, const long long *in, \
                                          long long length, long long descending, long long width, \
                                          long long place, long long end) {                        \
        const long long base = place / (2 * width) * (2 * width);                                  \
        const long long middle = base + width < length ? base + width : length;                    \
        const long long top = base + 2 * width < length ? base + 2 * width : length;               \
        const long long taken = place - base;                                                      \
        long long low = taken > top - middle ? taken - (top - middle) : 0;                         \
        long long high = taken < middle - base ? taken : middle - base;                            \
        while (low < high) {                                                                       \
            const long long left = (low + high) / 2;                                               \
            const long long a = in[base + left], b = in[middle + taken - 1 - left];                \
            if (gc_comes_before_##suffix(key(keys[b]), key(keys[a]), descending)) high = left;     \
            else low = left + 1;                                                                   \
        }                                                                                          \
        long long left = base + low, right = middle + taken - low;                                 \
        const long long stop = end < top ? end : top;                                              \
        for (; place < stop; ++place) {                                                            \
            const bool takes_right = right < top                                                   \
                && (left == middle                                                                 \
                    || gc_comes_before_##suffix(key(keys[in[right]]), key(keys[in[left]]),         \
                                                descending));                                      \
            out[place] = takes_right ? in[right++] : in[left++];                                   \
        }                                                                                          \
        return stop;                                                                               \
    }                                                                                              \
    __device__ __forceinline__ void gc_sort_runs_##suffix(long long *out, const stored *keys, long long length, \
                                      long long descending, long long width, long long first,      \
                                      long long count) {                                           \
        const long long end = first + count;                                                       \
        for (long long start = first + threadIdx.x * width; start < end;                           \
             start += blockDim.x * width) {                                                        \
            const long long stop = start + width < length ? start + width : length;                \
            gc_insert_run_##suffix(out, keys, descending, start, stop);                            \
        }                                                                                          \
    }                                                                                              \
    __device__ __forceinline__ void gc_merge_runs_##suffix(long long *out, const stored *keys, const long long *in, \
                                       long long length, long long descending, long long width,    \
                                       long long first, long long count) {                         \
        const long long part = (count + blockDim.x - 1) / blockDim.x, own = part * threadIdx.x;    \
        const long long rest = count - own, end = first + own + (part < rest ? part : rest);       \
        for (long long place = first + own; place < end;)                                          \
            place = gc_merge_pair_##suffix(out, keys, in, length, descending, width, place, end);  \
    }

GC_SORT(i8, signed char, signed char, GC_AS_IT_IS)
GC_SORT(i16, short, short, GC_AS_IT_IS)
GC_SORT(i32, int, int, GC_AS_IT_IS)
GC_SORT(i64, long long, long long, GC_AS_IT_IS)
GC_SORT(u8, unsigned char, unsigned char, GC_AS_IT_IS)
GC_SORT(u16, unsigned short, unsigned short, GC_AS_IT_IS)
GC_SORT(u32, unsigned, unsigned, GC_AS_IT_IS)
GC_SORT(u64, unsigned long long, unsigned long long, GC_AS_IT_IS)
GC_SORT(bool, bool, bool, GC_AS_IT_IS)
GC_SORT(f32, float, float, GC_AS_IT_IS)
GC_SORT(f64, double, double, GC_AS_IT_IS)
GC_SORT(f16, unsigned short, float, gc_f16_to_f32)
GC_SORT(bf16, unsigned short, float, gc_bf16_to_f32)
