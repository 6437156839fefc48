#include "kernels/gemm/gemm.h"

#include "kernels/common/simd.h"
#include "kernels/common/weights.h"

namespace zeroskip::ZS_ISA {
namespace {

// Accumulators fill most registers: 12 x 2 vectors of 32 registers, 6 x 2 of 16.
constexpr int kRows = kRegisters == 32 ? 12 : 6;
constexpr int kColumns = 2;  // vectors; divides 16 floats on every instruction set but the widest

template <int kM, int kN>
inline void tile(const GemmArgs& args, int64_t row, int64_t column) {
  const float* a = args.a + row * args.a_stride;
  const float* b = args.b + column;
  float* c = args.c + row * args.c_stride + column;
  Vec acc[kM][kN];
#pragma GCC unroll 32
  for (int m = 0; m < kM; ++m)
#pragma GCC unroll 32
    for (int n = 0; n < kN; ++n) acc[m][n] = load(c + m * args.c_stride + n * kLanes);
  for (int64_t k = 0; k < args.depth; ++k, b += args.b_stride) {
    Vec weight[kN];
#pragma GCC unroll 32
    for (int n = 0; n < kN; ++n) weight[n] = load(b + n * kLanes);
#pragma GCC unroll 32
    for (int m = 0; m < kM; ++m) {
      const Vec value = broadcast(a[m * args.a_stride + k]);
#pragma GCC unroll 32
      for (int n = 0; n < kN; ++n) acc[m][n] += value * weight[n];
    }
  }
#pragma GCC unroll 32
  for (int m = 0; m < kM; ++m)
#pragma GCC unroll 32
    for (int n = 0; n < kN; ++n) store(c + m * args.c_stride + n * kLanes, acc[m][n]);
}

template <int kM, int kN>
inline void tile_of(const GemmArgs& args, int64_t rows, int64_t row, int64_t column) {
  if constexpr (kM > 0) {
    if (rows == kM)
      tile<kM, kN>(args, row, column);
    else
      tile_of<kM - 1, kN>(args, rows, row, column);
  }
}

// All rows of one strip of columns, in tiles of nearly as many each: of 8 rows 4 and 4, for with 6 and 2 the second
// would have too few sums to hide how long one takes.
template <int kN>
inline void strip(const GemmArgs& args, int64_t column) {
  const int64_t tiles = (args.rows + kRows - 1) / kRows;
  int64_t row = 0;
  for (int64_t t = 1; t <= tiles; ++t) {
    const int64_t end = args.rows * t / tiles;
    tile_of<kRows, kN>(args, end - row, row, column);
    row = end;
  }
}

// Tiles of one row or two are wide: a sum takes about eight others to hide how long it takes. Returns where they end.
template <int kM, int kN>
inline int64_t wide_tiles(const GemmArgs& args, int64_t column) {
  for (; column + kN * kLanes <= args.blocks * 16; column += kN * kLanes) tile<kM, kN>(args, 0, column);
  return column;
}

template <typename W>
void pack_rows(const PackRowsArgs& args) {
  constexpr int64_t kAhead = 8;  // rows lie pages apart: the hardware prefetcher does not find the next one
  const int64_t row_bytes = args.from_stride * W::kBytes;
  const std::byte* from = args.from;
  float* to = args.to;
  for (int64_t r = 0; r < args.rows; ++r, from += row_bytes, to += args.to_stride)
    for (int64_t first = 0; first < args.blocks * kVectorsPerBlock; first += W::kAtOnce) {
      __builtin_prefetch(from + kAhead * row_bytes + first * kLanes * W::kBytes);
#pragma GCC unroll 2
      for (int i = 0; i < W::kAtOnce; ++i)
        store(to + (first + i) * kLanes, W::vector(from + first * kLanes * W::kBytes, i));
    }
}

}  // namespace

void f32_gemm(const GemmArgs& args) {
  const int64_t columns = args.blocks * 16;
  int64_t column = 0;
  if (args.rows == 1) column = wide_tiles<1, 4>(args, wide_tiles<1, 6>(args, wide_tiles<1, 8>(args, column)));
  if (args.rows == 2) column = wide_tiles<2, 4>(args, column);
  for (; column + kColumns * kLanes <= columns; column += kColumns * kLanes) strip<kColumns>(args, column);
  for (; column < columns; column += kLanes) strip<1>(args, column);
}

void f32_pack_rows(const PackRowsArgs& args) { pack_rows<F32Weights>(args); }
void f32_bf16w_pack_rows(const PackRowsArgs& args) { pack_rows<Bf16Weights>(args); }
void f32_fp16w_pack_rows(const PackRowsArgs& args) { pack_rows<Fp16Weights>(args); }

}  // namespace zeroskip::ZS_ISA
