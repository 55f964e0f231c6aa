/* A CUDA driver of one device without a device: memory is the host's, and kernels are run by the
 * simulator. What it is given as a cubin is the path of a module that the simulator has built.
 *
 * It has the part of the driver API that graphc and cuda.core come by; any other function succeeds
 * and does nothing. Like a device it works when it is waited for. Names, types and results are those
 * of the CUDA Driver API, https://docs.nvidia.com/cuda/cuda-driver-api/. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SUCCESS = 0,
    OUT_OF_MEMORY = 2,
    INVALID_CONTEXT = 201,
    NOT_FOUND = 500,
    LAUNCH_FAILED = 719,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_UNMATCHED = 903
};

typedef uint64_t Address;

/* As in graphc/runtime/simulator/interface.hpp. */
struct parameter { unsigned kind, bytes, writable; };
struct record { void *invoke; const struct parameter *parameters; unsigned count; };
typedef int (*Launch)(const struct record *, void **, const unsigned *, const unsigned *, uint64_t,
                      uint64_t, unsigned, const void *, unsigned, void *);

struct kernel { const struct record *record; Launch launch; };

/* A copy, or a launch with its own copy of the arguments. */
struct work {
    struct kernel *kernel;
    Address target, source;
    size_t bytes;
    unsigned grid[3], block[3], shared;
    void **arguments;
    struct work *next;
};
struct queue { struct work *first, **end; };

static struct queue waiting, *recorded;
static void *current, *recording;
static const uint64_t context = 1, pool = 2;

static void add(struct queue *queue, struct work work) {
    if (!queue->first) queue->end = &queue->first;
    *queue->end = malloc(sizeof work);
    **queue->end = work;
    (*queue->end)->next = NULL;
    queue->end = &(*queue->end)->next;
}

static void start(void *stream, struct work work) {
    add(recording && stream == recording ? recorded : &waiting, work);
}

static int run(const struct work *work) {
    unsigned char findings[32 * 128];
    if (!work->kernel) {
        memmove((void *)work->target, (void *)work->source, work->bytes);
        return 0;
    }
    return work->kernel->launch(work->kernel->record, work->arguments, work->grid, work->block,
                                work->shared, 0, 1, NULL, 0, findings);
}

/* -- the device ------------------------------------------------------------------------------- */

int cuInit(unsigned flags) { return SUCCESS; }
int cuDriverGetVersion(int *version) { *version = 13000; return SUCCESS; }
int cuDeviceGetCount(int *count) { *count = 1; return SUCCESS; }
int cuDeviceGetName(char *name, int bytes, int device) {
    snprintf(name, bytes, "simulated GPU");
    return SUCCESS;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    /* Compute capability 9.0, its shared memory, and whatever else there may be. */
    *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 97 ? 232448 : 1;
    return SUCCESS;
}
int cuDevicePrimaryCtxRetain(void **made, int device) { *made = (void *)&context; return SUCCESS; }
int cuCtxSetCurrent(void *wanted) { current = wanted; return SUCCESS; }
int cuCtxGetCurrent(void **found) { *found = current; return SUCCESS; }
int cuCtxGetDevice(int *device) {
    *device = 0;
    return current ? SUCCESS : INVALID_CONTEXT;
}
int cuGetErrorName(int status, const char **name) {
    *name = status == OUT_OF_MEMORY  ? "CUDA_ERROR_OUT_OF_MEMORY"
            : status == NOT_FOUND    ? "CUDA_ERROR_NOT_FOUND"
            : status == LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED"
                                     : "CUDA_ERROR_UNKNOWN";
    return SUCCESS;
}
int cuGetErrorString(int status, const char **text) { *text = "simulated"; return SUCCESS; }

/* -- memory ----------------------------------------------------------------------------------- */

static int allocate(void **address, size_t bytes) {
    if (bytes >> 30 || posix_memalign(address, 256, bytes)) return OUT_OF_MEMORY;
    memset(*address, 0xa5, bytes);
    return SUCCESS;
}
int cuDeviceGetDefaultMemPool(void **found, int device) { *found = (void *)&pool; return SUCCESS; }
int cuDeviceGetMemPool(void **found, int device) { *found = (void *)&pool; return SUCCESS; }
int cuMemGetMemPool(void **found, void *location, int type) { *found = (void *)&pool; return SUCCESS; }
int cuMemPoolGetAttribute(void *of, int attribute, uint64_t *value) { *value = 0; return SUCCESS; }
int cuMemAllocFromPoolAsync(void **address, size_t bytes, void *from, void *stream) {
    return allocate(address, bytes);
}
int cuMemAllocHost(void **address, size_t bytes) { return allocate(address, bytes); }
int cuMemFreeAsync(void *address, void *stream) { free(address); return SUCCESS; }
int cuMemFreeHost(void *address) { free(address); return SUCCESS; }
int cuMemGetInfo(size_t *left, size_t *all) { *left = *all = 1 << 30; return SUCCESS; }
int cuMemcpyAsync(Address target, Address source, size_t bytes, void *stream) {
    start(stream, (struct work){.target = target, .source = source, .bytes = bytes});
    return SUCCESS;
}

/* -- kernels ---------------------------------------------------------------------------------- */

int cuLibraryLoadData(void **library, const char *path) {
    *library = dlopen(path, RTLD_NOW);
    return *library ? SUCCESS : NOT_FOUND;
}
int cuLibraryGetKernel(struct kernel **kernel, void *library, const char *name) {
    char symbol[512];
    snprintf(symbol, sizeof symbol, "simulator_kernel_%s", name);
    struct kernel found = {dlsym(library, symbol), (Launch)dlsym(library, "simulator_launch")};
    if (!found.record || !found.launch) return NOT_FOUND;
    *kernel = malloc(sizeof found);
    **kernel = found;
    return SUCCESS;
}
int cuLaunchKernel(struct kernel *kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                   unsigned by, unsigned bz, unsigned shared, void *stream, void **arguments,
                   void **extra) {
    unsigned count = kernel->record->count;
    struct work work = {.kernel = kernel, .shared = shared};
    memcpy(work.grid, (unsigned[]){gx, gy, gz}, sizeof work.grid);
    memcpy(work.block, (unsigned[]){bx, by, bz}, sizeof work.block);
    work.arguments = calloc(count + 1, sizeof *work.arguments);
    for (unsigned i = 0; i < count; ++i) {
        unsigned bytes = kernel->record->parameters[i].bytes;
        work.arguments[i] = memcpy(malloc(bytes), arguments[i], bytes);
    }
    start(stream, work);
    return SUCCESS;
}

/* -- streams and recordings ------------------------------------------------------------------- */

int cuStreamCreateWithPriority(void **stream, unsigned flags, int priority) {
    *stream = malloc(1);
    return SUCCESS;
}
int cuStreamSynchronize(void *stream) {
    int failed = 0;
    for (struct work *work = waiting.first; work; work = work->next) failed |= run(work);
    waiting.first = NULL;
    return failed ? LAUNCH_FAILED : SUCCESS;
}
int cuStreamBeginCapture(void *stream, int mode) {
    if (recording) return CAPTURE_UNSUPPORTED;
    recording = stream;
    recorded = calloc(1, sizeof *recorded);
    return SUCCESS;
}
int cuStreamEndCapture(void *stream, void **graph) {
    if (stream != recording) return CAPTURE_UNMATCHED;
    *graph = recorded;
    recording = NULL;
    return SUCCESS;
}
int cuStreamGetCaptureInfo(void *stream, int *status, uint64_t *id, void **graph) {
    *status = recording && stream == recording;
    if (graph) *graph = recorded;
    return SUCCESS;
}
int cuGraphInstantiateWithParams(void **made, void *graph, uint64_t *parameters) {
    *made = graph;
    parameters[3] = SUCCESS; /* result_out */
    return SUCCESS;
}
int cuGraphInstantiate(void **made, void *graph, uint64_t flags) { *made = graph; return SUCCESS; }
int cuGraphLaunch(struct queue *graph, void *stream) {
    for (struct work *work = graph->first; work; work = work->next) add(&waiting, *work);
    return SUCCESS;
}

/* -- how the bindings find all this ----------------------------------------------------------- */

static int nothing(void) { return SUCCESS; }

int cuGetProcAddress_v2(const char *name, void **found, int version, uint64_t flags, int *status) {
    Dl_info here;
    dladdr((void *)cuInit, &here);
    *found = dlsym(dlopen(here.dli_fname, RTLD_NOW | RTLD_NOLOAD), name);
    if (!*found) *found = (void *)nothing;
    if (status) *status = 0;
    return SUCCESS;
}
int cuGetProcAddress(const char *name, void **found, int version, uint64_t flags) {
    return cuGetProcAddress_v2(name, found, version, flags, NULL);
}
