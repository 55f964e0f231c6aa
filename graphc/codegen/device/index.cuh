// Indices: floor division and modulo for a positive divisor, extremes; in int or long long, whichever
// the wider of the operands is.

template <class A, class B>
__device__ __forceinline__ auto gc_index_floor_divide(A a, B b) -> decltype(a + b) {
  return a / b - (a % b < 0);
}
template <class A, class B>
__device__ __forceinline__ auto gc_index_modulo(A a, B b) -> decltype(a + b) {
  return a % b + (a % b < 0 ? b : 0);
}
template <class A, class B>
__device__ __forceinline__ auto gc_index_maximum(A a, B b) -> decltype(a + b) {
  return a > b ? a : b;
}
template <class A, class B>
__device__ __forceinline__ auto gc_index_minimum(A a, B b) -> decltype(a + b) {
  return a < b ? a : b;
}
