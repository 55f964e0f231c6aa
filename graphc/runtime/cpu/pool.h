/* A persistent thread pool for grid loops.
 *
 * gc_parallel_for runs body(ctx, begin, end) over disjoint chunks that cover [0, n_grid), on up to
 * `threads` threads, the caller among them, and returns when all of them are done. Which thread runs
 * a chunk is not defined; a body whose grid points write disjoint outputs, each in an order of its
 * own, therefore gives the same bits for any number of threads.
 *
 * Any thread may call it: callers take turns. A call from inside a body runs serially on that thread.
 * After fork the child starts workers of its own on its first parallel call. */
#ifndef GC_POOL_H
#define GC_POOL_H

#include <stdint.h>

typedef struct gc_pool gc_pool;
typedef void (*gc_body)(void *ctx, int64_t begin, int64_t end);

enum { GC_POOL_MAX_THREADS = 256 };

/* A pool that uses `threads` threads, clamped to 1..GC_POOL_MAX_THREADS, for loops of at least
 * `least_work`; NULL without memory. No thread starts before the first parallel call. */
gc_pool *gc_pool_create(int threads, int64_t least_work);

/* Waits for the loop in progress, ends the workers and frees the pool. */
void gc_pool_destroy(gc_pool *pool);

/* Takes effect at the next parallel call; a loop in progress keeps its threads. */
void gc_pool_set_threads(gc_pool *pool, int threads);
int gc_pool_threads(const gc_pool *pool);

/* Loops of less work than this run on the thread that calls. */
void gc_pool_set_least_work(gc_pool *pool, int64_t work);

/* How many loops were handed to the workers so far. */
int64_t gc_pool_shared_loops(const gc_pool *pool);

/* `work` is that of all grid points together, and decides nothing but who runs them. */
void gc_parallel_for(gc_pool *pool, int64_t n_grid, int64_t work, gc_body body, void *ctx);

#endif
