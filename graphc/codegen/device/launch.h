/* How an export runs its kernels: over the grid steps of one or several bindings of a kernel,
 * spread over the threads of the runner that the runtime passes in. */

typedef void (*gc_kernel)(void *const *buffers, const int64_t *scalars, int64_t begin, int64_t end);
typedef void (*gc_body)(void *context, int64_t begin, int64_t end);

/* The runtime's thread pool: calls body over chunks that cover 0 .. count - 1, on this thread alone
 * where their work together is small. */
struct gc_runner {
    void (*parallel_for)(void *pool, int64_t count, int64_t work, gc_body body, void *context);
    void *pool;
};

/* Computes an op on the host, given the places of all slots; not 0 where it failed. */
typedef int (*gc_host_call)(int64_t number, void **slots);

/* One binding of a kernel; its grid steps end at `end`, counted from those of the bindings before. */
struct gc_segment {
    void *const *buffers;
    const int64_t *scalars;
    int64_t end;
};

struct gc_work {
    gc_kernel kernel;
    const struct gc_segment *segments;
    int count;
};

static void gc_run_segments(void *context, int64_t begin, int64_t end) {
    const struct gc_work *work = context;
    int64_t first = 0;
    for (int i = 0; i < work->count; ++i) {
        const struct gc_segment *segment = &work->segments[i];
        const int64_t from = begin > first ? begin : first;
        const int64_t to = end < segment->end ? end : segment->end;
        if (from < to) work->kernel(segment->buffers, segment->scalars, from - first, to - first);
        first = segment->end;
    }
}

/* Once for all launches: exports compile sooner, and a launch costs far more than a call. */
static __attribute__((noinline)) void gc_launch(const struct gc_runner *runner, gc_kernel kernel,
                                                const struct gc_segment *segments, int count,
                                                int64_t total) {
    struct gc_work work = {kernel, segments, count};
    const int64_t steps = segments[count - 1].end;
    runner->parallel_for(runner->pool, steps, total, gc_run_segments, &work);
}
