/* Random bits, for host C and for CUDA C++: a counter-based generator, so that any element of a stream is a
 * function of a key and a counter, and does not depend on the launch that computes it. */

#ifdef __cplusplus
#define GC_UNROLL _Pragma("unroll")
#else
#define GC_UNROLL _Pragma("GCC unroll 10")
#endif

/* The first word of Philox-4x32-10: J. Salmon, M. Moraes, R. Dror and D. Shaw, Parallel Random Numbers:
 * As Easy as 1, 2, 3 (SC 2011). */
GC_INLINE unsigned gc_philox(GC_U64 key, GC_U64 stream, GC_U64 counter) {
    unsigned x0 = (unsigned)counter, x1 = (unsigned)(counter >> 32);
    unsigned x2 = (unsigned)stream, x3 = (unsigned)(stream >> 32);
    unsigned key0 = (unsigned)key, key1 = (unsigned)(key >> 32);
    GC_UNROLL
    for (int round = 0; round < 10; ++round) {
        const GC_U64 first = (GC_U64)0xd2511f53u * x0, second = (GC_U64)0xcd9e8d57u * x2;
        x0 = (unsigned)(second >> 32) ^ x1 ^ key0;
        x1 = (unsigned)second;
        x2 = (unsigned)(first >> 32) ^ x3 ^ key1;
        x3 = (unsigned)first;
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
    return x0;
}
