// CUDA C++ as NVRTC offers it without any header, for a host compiler: the kernel text follows this
// file in one translation unit. Names and meanings are those of the CUDA C++ Programming Guide
// ("C++ Language Extensions") and of the CUDA Math API.
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <type_traits>
#include <utility>

#include "cuda_atomic.hpp"
#include "cuda_math.hpp"
#include "cuda_vector.hpp"
#include "cuda_warp.hpp"
#include "interface.hpp"

#define GC_SIMULATOR 1

#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __grid_constant__
#define __constant__ static
#ifdef SIMULATOR_CHECK
// One block at a time: plain variables, in a section where build.py puts a red zone behind each.
#define __shared__ static __attribute__((section("simulator_shared")))
#else
// One block at a time on each thread of the machine.
#define __shared__ static thread_local
#endif


#define threadIdx (simulator::self().thread_index)
#define blockIdx (simulator::self().block_index)
#define blockDim (simulator::self().block_dimensions)
#define gridDim (simulator::self().grid_dimensions)
constexpr int warpSize = 32;

// __COUNTER__ tells occurrences of a barrier apart even where the compiler copies code.
#define __syncthreads() ((void)simulator::barrier(__COUNTER__, false))
#define __syncthreads_count(predicate) \
  (static_cast<int>(simulator::barrier(__COUNTER__, (predicate) != 0)))
#define __syncthreads_or(predicate) \
  (static_cast<int>(simulator::barrier(__COUNTER__, (predicate) != 0) != 0))
#define __syncthreads_and(predicate) \
  (static_cast<int>(simulator::barrier(__COUNTER__, (predicate) == 0) == 0))

inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __nanosleep(unsigned) { simulator::yield(); }

namespace simulator {

// How the host sees a parameter of type T.
template <class T>
struct Describe {
  static constexpr Parameter value = {
      std::is_floating_point_v<T> ? ParameterKind::floating
      : std::is_integral_v<T>     ? ParameterKind::integer
                                  : ParameterKind::other,
      sizeof(T), 0};
};
template <class T>
struct Describe<T*> {
  static constexpr Parameter value = {ParameterKind::pointer, sizeof(T*), !std::is_const_v<T>};
};

template <auto function>
struct Entry;

template <class... T, void (*function)(T...)>
struct Entry<function> {
  static constexpr Parameter parameters[sizeof...(T) + 1] = {
      Describe<std::remove_cv_t<std::remove_reference_t<T>>>::value..., {}};

  // The arguments are the host's, which the checker does not know.
  template <std::size_t... i>
  __attribute__((no_sanitize("thread"))) static void call(void* const* arguments, std::index_sequence<i...>) {
    function(*static_cast<std::remove_reference_t<T>*>(arguments[i])...);
  }

  static void invoke(void* const* arguments) { call(arguments, std::index_sequence_for<T...>{}); }
};

}  // namespace simulator

// Makes a kernel known to the host; build.py writes one for each kernel at the end of the text.
#define SIMULATOR_KERNEL(name)                                                             \
  extern "C" __attribute__((visibility("default"))) const simulator::Kernel                \
      simulator_kernel_##name = {simulator::Entry<&name>::invoke,                          \
                                 simulator::Entry<&name>::parameters,                      \
                                 sizeof simulator::Entry<&name>::parameters /              \
                                         sizeof(simulator::Parameter) -                    \
                                     1};
