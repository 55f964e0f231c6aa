extern "C" __global__ void __launch_bounds__(256) max_subtract_exp_sum_divide(
        const float *__restrict__ a0, float *__restrict__ out0, int B) {
    for (int step = blockIdx.x; step < (B + 2) / 3; step += gridDim.x) {
        const int count_0 = gc_index_minimum(3, B - step * 3);
        for (int row = 0; row < count_0; ++row) {
            float max0 = -GC_INFINITY_F32;
            for (int i1 = threadIdx.x; i1 < 300; i1 += 256) {
                max0 = gc_maximum_f32(max0, a0[i1 + row * 300 + step * 900]);
            }
            __shared__ float max0_threads[257];
            max0_threads[threadIdx.x] = max0;
            __syncthreads();
            if (threadIdx.x < 32) {
                gc_fold_threads<256>(max0_threads,
                    [](float left, float right) { return gc_maximum_f32(left, right); });
            }
            __syncthreads();
            max0 = max0_threads[256];
            __shared__ __align__(64) float sum1_row[300];
            for (int i1 = threadIdx.x; i1 < 300; i1 += 256) {
                const float a0_0 = a0[i1 + row * 300 + step * 900];
                sum1_row[i1] = gc_exp_f32(a0_0 - max0);
            }
            float sum1 = 0.0f;
            for (int i1 = threadIdx.x; i1 < 300; i1 += 256) {
                sum1 = sum1 + sum1_row[i1];
            }
            __shared__ float sum1_threads[257];
            sum1_threads[threadIdx.x] = sum1;
            __syncthreads();
            if (threadIdx.x < 32) {
                gc_fold_threads<256>(sum1_threads,
                    [](float left, float right) { return left + right; });
            }
            __syncthreads();
            sum1 = sum1_threads[256];
            for (int i1 = threadIdx.x; i1 < 300; i1 += 256) {
                const float sum1_row_0 = sum1_row[i1];
                out0[i1 + row * 300 + step * 900] = sum1_row_0 / sum1;
            }
        }
    }
}
