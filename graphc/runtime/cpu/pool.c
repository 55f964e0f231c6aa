/* The pool behind pool.h: workers that spin for a short while and then sleep on a condition.
 *
 * One loop is one generation. The caller writes the job and opens the gate; workers enter while it is
 * open, take chunks as the caller does, and leave. When no chunk is left the caller closes the gate and
 * waits for those inside: so no job is overwritten while somebody may still read it, and nobody waits
 * for a worker that was asleep and came too late. */
#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

/* Spinning longer than a wake-up costs (about 50 us) only burns power. */
enum { SPIN_NANOSECONDS = 50000, SPINS_PER_CLOCK_READ = 64, CACHE_LINE = 64 };

/* The parts of a gate. */
static const uint64_t INSIDE = 0xffff, OPEN = 0x10000, GENERATION = 0x20000;

typedef struct {
    int64_t n_grid;
    int64_t chunk;
    gc_body body;
    void *ctx;
} job;

struct gc_pool {
    /* Each on a line of its own, as different threads write them. */
    _Alignas(CACHE_LINE) _Atomic int64_t next;        /* the first grid point not yet handed out */
    _Alignas(CACHE_LINE) _Atomic uint64_t gate;       /* generation, whether it is open, who is inside */
    _Alignas(CACHE_LINE) job current;
    _Atomic int sleepers;                             /* workers in pthread_cond_wait, or about to be */
    _Atomic bool stopping;
    _Atomic int threads;                              /* wanted, the caller included */
    _Atomic int64_t least_work;                       /* that is worth the workers */
    _Atomic int64_t shared_loops;                     /* handed to the workers so far */
    int workers;                                      /* started */
    pthread_mutex_t callers;                          /* held for a whole parallel loop */
    pthread_mutex_t sleep_lock;
    pthread_cond_t wake;
    pthread_t handles[GC_POOL_MAX_THREADS];
    struct gc_pool *older;                            /* all pools, for the fork handlers */
};

static pthread_mutex_t pools_lock = PTHREAD_MUTEX_INITIALIZER;
static gc_pool *pools;
static pthread_once_t fork_handlers_once = PTHREAD_ONCE_INIT;
static _Thread_local bool inside_loop;

static inline void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void take_chunks(gc_pool *pool) {
    const job work = pool->current;
    inside_loop = true;
    for (;;) {
        int64_t begin = atomic_fetch_add_explicit(&pool->next, work.chunk, memory_order_relaxed);
        if (begin >= work.n_grid) break;
        int64_t left = work.n_grid - begin;
        work.body(work.ctx, begin, begin + (left < work.chunk ? left : work.chunk));
    }
    inside_loop = false;
}

/* Whether there is nothing to do for a worker that has seen the generation `seen`. */
static bool is_idle(gc_pool *pool, uint64_t seen) {
    return atomic_load(&pool->gate) / GENERATION == seen && !atomic_load(&pool->stopping);
}

/* Spins until there is something to do; false when the patience is used up. */
static bool spin_while_idle(gc_pool *pool, uint64_t seen) {
    int64_t deadline = now() + SPIN_NANOSECONDS;
    do {
        for (int i = 0; i < SPINS_PER_CLOCK_READ; i++) {
            if (!is_idle(pool, seen)) return true;
            pause_briefly();
        }
    } while (now() < deadline);
    return false;
}

static void sleep_while_idle(gc_pool *pool, uint64_t seen) {
    pthread_mutex_lock(&pool->sleep_lock);
    /* Sequentially consistent with what wake_sleepers() follows: either the caller sees this sleeper,
     * or this thread sees what the caller has written. */
    atomic_fetch_add(&pool->sleepers, 1);
    while (is_idle(pool, seen)) pthread_cond_wait(&pool->wake, &pool->sleep_lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->sleep_lock);
}

static void wake_sleepers(gc_pool *pool) {
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->sleep_lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->sleep_lock);
    }
}

/* Enters the gate if it is open; `seen` becomes the generation that was found. */
static bool enter(gc_pool *pool, uint64_t *seen) {
    uint64_t gate = atomic_load(&pool->gate);
    do {
        *seen = gate / GENERATION;
        if (!(gate & OPEN)) return false;
    } while (!atomic_compare_exchange_weak(&pool->gate, &gate, gate + 1));
    return true;
}

static void *worker(void *argument) {
    gc_pool *pool = argument;
    uint64_t seen = 0; /* of no loop: one that is open is entered at once */
    for (;;) {
        if (!spin_while_idle(pool, seen)) sleep_while_idle(pool, seen);
        if (atomic_load(&pool->stopping)) return NULL;
        if (!enter(pool, &seen)) continue;
        take_chunks(pool);
        atomic_fetch_sub(&pool->gate, 1);
    }
}

/* The caller's wait spins too, and yields once a chunk of a worker takes long: on a machine with
 * fewer free cores than threads the worker may need this very core. */
static void close_gate(gc_pool *pool) {
    atomic_fetch_and(&pool->gate, ~OPEN);
    int64_t deadline = 0;
    for (int spins = 0; atomic_load(&pool->gate) & INSIDE; spins++) {
        pause_briefly();
        if (spins % SPINS_PER_CLOCK_READ != SPINS_PER_CLOCK_READ - 1) continue;
        if (deadline == 0) deadline = now() + SPIN_NANOSECONDS;
        if (now() > deadline) sched_yield();
    }
}

static void stop_workers(gc_pool *pool) {
    if (pool->workers == 0) return;
    atomic_store(&pool->stopping, true);
    wake_sleepers(pool);
    for (int i = 0; i < pool->workers; i++) pthread_join(pool->handles[i], NULL);
    atomic_store(&pool->stopping, false);
    pool->workers = 0;
}

/* Fewer workers than wanted, when the system refuses a thread, is slower and still right. */
static void start_workers(gc_pool *pool, int wanted) {
    while (pool->workers < wanted &&
           pthread_create(&pool->handles[pool->workers], NULL, worker, pool) == 0) {
        pool->workers++;
    }
}

/* A fork copies the locks in the state they are in, and none of the workers. Holding every lock
 * across the fork means that the child gets them unlocked and no loop half done. */
static void before_fork(void) {
    pthread_mutex_lock(&pools_lock);
    for (gc_pool *pool = pools; pool; pool = pool->older) {
        if (!inside_loop) pthread_mutex_lock(&pool->callers);
        pthread_mutex_lock(&pool->sleep_lock);
    }
}

static void after_fork_parent(void) {
    for (gc_pool *pool = pools; pool; pool = pool->older) {
        pthread_mutex_unlock(&pool->sleep_lock);
        if (!inside_loop) pthread_mutex_unlock(&pool->callers);
    }
    pthread_mutex_unlock(&pools_lock);
}

static void after_fork_child(void) {
    for (gc_pool *pool = pools; pool; pool = pool->older) {
        pool->workers = 0;
        atomic_store(&pool->sleepers, 0);
        atomic_fetch_and(&pool->gate, ~(OPEN | INSIDE));
        pthread_mutex_init(&pool->callers, NULL);
        pthread_mutex_init(&pool->sleep_lock, NULL);
        pthread_cond_init(&pool->wake, NULL);
    }
    pthread_mutex_init(&pools_lock, NULL);
}

static void install_fork_handlers(void) {
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static int clamp_threads(int threads) {
    if (threads < 1) return 1;
    return threads < GC_POOL_MAX_THREADS ? threads : GC_POOL_MAX_THREADS;
}

gc_pool *gc_pool_create(int threads, int64_t least_work) {
    gc_pool *pool = aligned_alloc(CACHE_LINE, sizeof *pool);
    if (!pool) return NULL;
    atomic_init(&pool->next, 0);
    atomic_init(&pool->gate, 0);
    atomic_init(&pool->sleepers, 0);
    atomic_init(&pool->stopping, false);
    atomic_init(&pool->threads, clamp_threads(threads));
    atomic_init(&pool->least_work, least_work);
    atomic_init(&pool->shared_loops, 0);
    pool->workers = 0;
    pthread_mutex_init(&pool->callers, NULL);
    pthread_mutex_init(&pool->sleep_lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_once(&fork_handlers_once, install_fork_handlers);
    pthread_mutex_lock(&pools_lock);
    pool->older = pools;
    pools = pool;
    pthread_mutex_unlock(&pools_lock);
    return pool;
}

void gc_pool_destroy(gc_pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pools_lock);
    gc_pool **link = &pools;
    while (*link != pool) link = &(*link)->older;
    *link = pool->older;
    pthread_mutex_unlock(&pools_lock);
    pthread_mutex_lock(&pool->callers);
    stop_workers(pool);
    pthread_mutex_unlock(&pool->callers);
    pthread_mutex_destroy(&pool->callers);
    pthread_mutex_destroy(&pool->sleep_lock);
    pthread_cond_destroy(&pool->wake);
    free(pool);
}

void gc_pool_set_threads(gc_pool *pool, int threads) {
    atomic_store(&pool->threads, clamp_threads(threads));
}

int gc_pool_threads(const gc_pool *pool) {
    return atomic_load(&pool->threads);
}

void gc_pool_set_least_work(gc_pool *pool, int64_t work) {
    atomic_store(&pool->least_work, work);
}

int64_t gc_pool_shared_loops(const gc_pool *pool) {
    return atomic_load(&pool->shared_loops);
}

void gc_parallel_for(gc_pool *pool, int64_t n_grid, int64_t work, gc_body body, void *ctx) {
    if (n_grid <= 0) return;
    int threads = atomic_load_explicit(&pool->threads, memory_order_relaxed);
    int64_t least = atomic_load_explicit(&pool->least_work, memory_order_relaxed);
    /* Unsigned, as a product that leaves 63 bits is not small. */
    if (threads == 1 || n_grid == 1 || (uint64_t)work < (uint64_t)least || inside_loop) {
        body(ctx, 0, n_grid);
        return;
    }
    int64_t chunk = (n_grid + 4 * threads - 1) / (4 * threads);
    pthread_mutex_lock(&pool->callers);
    if (pool->workers != threads - 1) {
        stop_workers(pool);
        start_workers(pool, threads - 1);
    }
    pool->current = (job){n_grid, chunk, body, ctx};
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->shared_loops, 1, memory_order_relaxed);
    atomic_fetch_add(&pool->gate, GENERATION | OPEN);
    wake_sleepers(pool);
    take_chunks(pool);
    close_gate(pool);
    pthread_mutex_unlock(&pool->callers);
}
