// Made by graphc. Each kernel computes what is named above it; a block runs the grid steps
// blockIdx.x, blockIdx.x + gridDim.x, ...

struct multiply_subtract_segment {
    const float *a0;
    const float *a1;
    float *out0;
    long long n;
    long long end;
};
struct multiply_subtract_segments {
    long long count;
    multiply_subtract_segment segment[3];
};
extern "C" __global__ void __launch_bounds__(256) multiply_subtract(
        const __grid_constant__ multiply_subtract_segments segments) {
    long long steps_before = 0;
    int number = 0;
    const long long all = segments.segment[segments.count - 1].end;
    for (long long position = blockIdx.x; position < all; position += gridDim.x) {
        while (position >= segments.segment[number].end)
            steps_before = segments.segment[number++].end;
        const multiply_subtract_segment &segment = segments.segment[number];
        const float *a0 = segment.a0;
        const float *a1 = segment.a1;
        float *out0 = segment.out0;
        const long long n = segment.n;
        const long long step = position - steps_before;
        const long long count_0 = gc_index_minimum(1024, n - step * 1024);
        for (long long lane = threadIdx.x; lane < count_0; lane += 256) {
            const float a0_0 = a0[lane + step * 1024];
            const float a1_0 = a1[lane + step * 1024];
            out0[lane + step * 1024] = a0_0 - (a1_0 * 0.5f);
        }
    }
}
