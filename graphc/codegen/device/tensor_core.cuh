// Tensor cores through mma.sync, and the loads that bring tiles into their layout. All 32 lanes of a
// warp call these together.

#ifdef GC_SIMULATOR

struct gc_matrix_load {
  const void* row;
  unsigned* fragment;
};

// Lane 8 m + r holds the address of row r of matrix m; lane l receives the 32-bit word l % 4 of row
// l / 4 of each matrix, or, transposed, elements 2 (l % 4) and 2 (l % 4) + 1 of column l / 4.
template <int matrices, bool transposed>
SIMULATOR_INLINE void gc_load_matrices(unsigned* fragment, const void* row) {
  gc_matrix_load load = {row, fragment};
  if (simulator::lane() < 8 * matrices) simulator::check_matrix_row(row);
  simulator::warp_collective(0xffffffffu, load, [](simulator::Lanes<gc_matrix_load> lanes) {
    for (int matrix = 0; matrix < matrices; ++matrix)
      for (unsigned lane = 0; lane < 32; ++lane) {
        unsigned short pair[2];
        for (unsigned i = 0; i < 2; ++i) {
          unsigned along = lane % 4 * 2 + i, across = lane / 4;
          const auto& source = lanes[8 * matrix + (transposed ? along : across)];
          pair[i] = ((const unsigned short*)source.row)[transposed ? across : along];
        }
        lanes[lane].fragment[matrix] = pair[0] | (unsigned)pair[1] << 16;
      }
  });
}

SIMULATOR_INLINE void gc_load_matrices_x4(unsigned* fragment, const void* row) {
  gc_load_matrices<4, false>(fragment, row);
}
SIMULATOR_INLINE void gc_load_matrices_x4_transposed(unsigned* fragment, const void* row) {
  gc_load_matrices<4, true>(fragment, row);
}
SIMULATOR_INLINE void gc_load_matrices_x2(unsigned* fragment, const void* row) {
  gc_load_matrices<2, false>(fragment, row);
}
SIMULATOR_INLINE void gc_load_matrices_x2_transposed(unsigned* fragment, const void* row) {
  gc_load_matrices<2, true>(fragment, row);
}

struct gc_mma_operands {
  float* c;
  const unsigned* a;
  const unsigned* b;
};

// The fragments of PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type". Products are
// exact; their sum is rounded after each addition, in ascending k (hardware adds several at once).
template <class ToFloat>
SIMULATOR_INLINE void gc_mma_m16n8k16(float* c, const unsigned* a, const unsigned* b, ToFloat) {
  gc_mma_operands operands = {c, a, b};
  simulator::warp_collective(0xffffffffu, operands, [](simulator::Lanes<gc_mma_operands> lanes) {
    alignas(ToFloat) char stateless[1];
    auto& to_float = *reinterpret_cast<ToFloat*>(stateless);
    float left[16][16], right[16][8];
    for (int lane = 0; lane < 32; ++lane) {
      int group = lane / 4, pair = lane % 4 * 2;
      for (int half = 0; half < 2; ++half) {
        for (int i = 0; i < 4; ++i)
          left[group + i % 2 * 8][pair + i / 2 * 8 + half] =
              to_float((unsigned short)(lanes[lane].a[i] >> (16 * half)));
        for (int i = 0; i < 2; ++i)
          right[pair + i * 8 + half][group] =
              to_float((unsigned short)(lanes[lane].b[i] >> (16 * half)));
      }
    }
    for (int row = 0; row < 16; ++row) {
      float sums[8];
      for (int column = 0; column < 8; ++column)
        sums[column] = lanes[row % 8 * 4 + column / 2].c[row / 8 * 2 + column % 2];
      for (int k = 0; k < 16; ++k)
        for (int column = 0; column < 8; ++column) sums[column] += left[row][k] * right[k][column];
      for (int column = 0; column < 8; ++column)
        lanes[row % 8 * 4 + column / 2].c[row / 8 * 2 + column % 2] = sums[column];
    }
  });
}

SIMULATOR_INLINE void gc_mma_m16n8k16_bf16(float* c, const unsigned* a, const unsigned* b) {
  gc_mma_m16n8k16(c, a, b, [](unsigned short bits) { return gc_bf16_to_f32(bits); });
}
SIMULATOR_INLINE void gc_mma_m16n8k16_f16(float* c, const unsigned* a, const unsigned* b) {
  gc_mma_m16n8k16(c, a, b, [](unsigned short bits) { return gc_f16_to_f32(bits); });
}

#else

// PTX ISA, "ldmatrix": lane 8 m + r brings the address of row r of matrix m, 16 bytes in shared memory,
// 16-byte aligned; fragment[m] receives two adjacent 16-bit elements of matrix m.
__device__ __forceinline__ void gc_load_matrices_x4(unsigned* fragment, const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
               : "r"((unsigned)__cvta_generic_to_shared(row))
               : "memory");
}

__device__ __forceinline__ void gc_load_matrices_x4_transposed(unsigned* fragment, const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
               : "r"((unsigned)__cvta_generic_to_shared(row))
               : "memory");
}

__device__ __forceinline__ void gc_load_matrices_x2(unsigned* fragment, const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(fragment[0]), "=r"(fragment[1])
               : "r"((unsigned)__cvta_generic_to_shared(row))
               : "memory");
}

__device__ __forceinline__ void gc_load_matrices_x2_transposed(unsigned* fragment, const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(fragment[0]), "=r"(fragment[1])
               : "r"((unsigned)__cvta_generic_to_shared(row))
               : "memory");
}

// PTX ISA, "mma": c (16 x 8, four floats a lane) += a (16 x 16, row-major fragment, four registers a
// lane) times b (16 x 8, column-major fragment, two registers a lane).
__device__ __forceinline__ void gc_mma_m16n8k16_bf16(float* c, const unsigned* a, const unsigned* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void gc_mma_m16n8k16_f16(float* c, const unsigned* a, const unsigned* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#endif
