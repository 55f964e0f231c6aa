// The built-in vector types. The fast mode does not assume the alignment that CUDA prescribes, since
// an array of the host may lack it. The checking mode does: there the union makes the compiler move
// a vector as a whole, so that the checker sees, and can refuse, one wide access.
#pragma once

#ifdef SIMULATOR_CHECK
#define SIMULATOR_WHOLE(name, bytes) \
  typedef unsigned char name##_whole __attribute__((vector_size(bytes)));
#define SIMULATOR_BODY(name, ...) \
  union {                         \
    struct {                      \
      __VA_ARGS__;                \
    };                            \
    name##_whole whole;           \
  };
#define SIMULATOR_MAKE static __attribute__((noinline, unused))
#else
#define SIMULATOR_WHOLE(name, bytes)
#define SIMULATOR_BODY(name, ...) __VA_ARGS__;
#define SIMULATOR_MAKE static inline __attribute__((always_inline, unused))
#endif

#define SIMULATOR_VECTOR2(name, type)                  \
  SIMULATOR_WHOLE(name, 2 * sizeof(type))              \
  struct name {                                        \
    SIMULATOR_BODY(name, type x, y)                    \
  };                                                   \
  SIMULATOR_MAKE name make_##name(type x, type y) {    \
    name vector;                                       \
    vector.x = x;                                      \
    vector.y = y;                                      \
    return vector;                                     \
  }

#define SIMULATOR_VECTOR3(name, type)                                                       \
  struct name {                                                                             \
    type x, y, z;                                                                           \
  };                                                                                        \
  SIMULATOR_MAKE name make_##name(type x, type y, type z) { return {x, y, z}; }

#define SIMULATOR_VECTOR4(name, type)                                  \
  SIMULATOR_WHOLE(name, 4 * sizeof(type))                              \
  struct name {                                                        \
    SIMULATOR_BODY(name, type x, y, z, w)                              \
  };                                                                   \
  SIMULATOR_MAKE name make_##name(type x, type y, type z, type w) {    \
    name vector;                                                       \
    vector.x = x;                                                      \
    vector.y = y;                                                      \
    vector.z = z;                                                      \
    vector.w = w;                                                      \
    return vector;                                                     \
  }

SIMULATOR_VECTOR2(char2, signed char)
SIMULATOR_VECTOR4(char4, signed char)
SIMULATOR_VECTOR2(uchar2, unsigned char)
SIMULATOR_VECTOR4(uchar4, unsigned char)
SIMULATOR_VECTOR2(short2, short)
SIMULATOR_VECTOR4(short4, short)
SIMULATOR_VECTOR2(ushort2, unsigned short)
SIMULATOR_VECTOR4(ushort4, unsigned short)
SIMULATOR_VECTOR2(int2, int)
SIMULATOR_VECTOR3(int3, int)
SIMULATOR_VECTOR4(int4, int)
SIMULATOR_VECTOR2(uint2, unsigned)
SIMULATOR_VECTOR3(uint3, unsigned)
SIMULATOR_VECTOR4(uint4, unsigned)
SIMULATOR_VECTOR2(longlong2, long long)
SIMULATOR_VECTOR2(ulonglong2, unsigned long long)
SIMULATOR_VECTOR2(float2, float)
SIMULATOR_VECTOR3(float3, float)
SIMULATOR_VECTOR4(float4, float)
SIMULATOR_VECTOR2(double2, double)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

#undef SIMULATOR_WHOLE
#undef SIMULATOR_BODY
#undef SIMULATOR_MAKE
#undef SIMULATOR_VECTOR2
#undef SIMULATOR_VECTOR3
#undef SIMULATOR_VECTOR4
