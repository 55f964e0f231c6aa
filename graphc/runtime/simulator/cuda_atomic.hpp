// Atomic functions (CUDA C++ Programming Guide, "Atomic Functions"). Built on the compiler's atomics:
// blocks run on several threads of the machine, and the checker recognises them.
#pragma once
#include <string.h>

#include "interface.hpp"

namespace simulator {

template <unsigned bytes>
struct Bits;
template <>
struct Bits<2> {
  using type = unsigned short;
};
template <>
struct Bits<4> {
  using type = unsigned;
};
template <>
struct Bits<8> {
  using type = unsigned long long;
};

// Replaces *address by update(*address) and returns what was there.
template <class T, class Update>
SIMULATOR_INLINE T atomic_update(T* address, Update update) {
  using Word = typename Bits<sizeof(T)>::type;
  auto* word = reinterpret_cast<Word*>(address);
  Word old_bits = __atomic_load_n(word, __ATOMIC_RELAXED), new_bits;
  T old_value;
  do {
    __builtin_memcpy(&old_value, &old_bits, sizeof(T));
    T new_value = update(old_value);
    __builtin_memcpy(&new_bits, &new_value, sizeof(T));
  } while (!__atomic_compare_exchange_n(word, &old_bits, new_bits, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED));
  return old_value;
}

template <class T>
struct Same {
  using type = T;
};

}  // namespace simulator

#define SIMULATOR_ATOMIC(name, expression)                                                \
  template <class T>                                                                      \
  SIMULATOR_INLINE T name(T* address, typename simulator::Same<T>::type value) {          \
    return simulator::atomic_update(address, [value](T old) -> T { return expression; }); \
  }
SIMULATOR_ATOMIC(atomicAdd, old + value)
SIMULATOR_ATOMIC(atomicSub, old - value)
SIMULATOR_ATOMIC(atomicMin, value < old ? value : old)
SIMULATOR_ATOMIC(atomicMax, old < value ? value : old)
SIMULATOR_ATOMIC(atomicAnd, old & value)
SIMULATOR_ATOMIC(atomicOr, old | value)
SIMULATOR_ATOMIC(atomicXor, old ^ value)
SIMULATOR_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
SIMULATOR_ATOMIC(atomicDec, old == 0 || old > value ? value : old - 1)
#undef SIMULATOR_ATOMIC

template <class T>
SIMULATOR_INLINE T atomicExch(T* address, typename simulator::Same<T>::type value) {
  T old;
  __atomic_exchange(address, &value, &old, __ATOMIC_RELAXED);
  return old;
}

template <class T>
SIMULATOR_INLINE T atomicCAS(T* address, typename simulator::Same<T>::type compare,
                            typename simulator::Same<T>::type value) {
  __atomic_compare_exchange_n(address, &compare, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return compare;
}
