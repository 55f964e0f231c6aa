// Philox-4x32-10, a counter-based generator: any element of the stream is a pure function of a key and
// a counter, so the numbers of a tensor do not depend on the launch that computes them.
// J. Salmon, M. Moraes, R. Dror, D. Shaw: Parallel Random Numbers: As Easy as 1, 2, 3. SC 2011.

struct gc_philox_words {
  unsigned word[4];
};

__device__ __forceinline__ gc_philox_words gc_philox_round(gc_philox_words counter, unsigned key0,
                                                           unsigned key1) {
  unsigned long long product0 = (unsigned long long)0xd2511f53u * counter.word[0];
  unsigned long long product1 = (unsigned long long)0xcd9e8d57u * counter.word[2];
  return {{(unsigned)(product1 >> 32) ^ counter.word[1] ^ key0, (unsigned)product1,
           (unsigned)(product0 >> 32) ^ counter.word[3] ^ key1, (unsigned)product0}};
}

// Four words for a 64-bit key and a 128-bit counter, given as its two halves.
__device__ __forceinline__ gc_philox_words gc_philox_block(unsigned long long key,
                                                           unsigned long long counter_low,
                                                           unsigned long long counter_high) {
  gc_philox_words counter = {{(unsigned)counter_low, (unsigned)(counter_low >> 32),
                              (unsigned)counter_high, (unsigned)(counter_high >> 32)}};
  unsigned key0 = (unsigned)key, key1 = (unsigned)(key >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    counter = gc_philox_round(counter, key0, key1);
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return counter;
}

// The first of the words: all that an element of a tensor takes.
__device__ __forceinline__ unsigned gc_philox(unsigned long long key, unsigned long long stream,
                                              unsigned long long counter) {
  return gc_philox_block(key, counter, stream).word[0];
}

// The 24 high bits as a float in [0, 1): every value is exact and equally likely.
__device__ __forceinline__ float gc_uniform_f32(unsigned word) { return (float)(word >> 8) * 0x1p-24f; }

// 53 bits of two words as a double in [0, 1).
__device__ __forceinline__ double gc_uniform_f64(unsigned low, unsigned high) {
  unsigned long long bits = (unsigned long long)high << 32 | low;
  return (double)(bits >> 11) * 0x1p-53;
}
