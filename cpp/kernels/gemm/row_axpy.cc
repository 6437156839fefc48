#include "kernels/common/simd.h"
#include "kernels/common/weights.h"
#include "kernels/gemm/gemm.h"

namespace zeroskip::ZS_ISA {
namespace {

// Adds kRows scaled weight rows in one pass over y.
template <typename W, int kRows>
inline void add_rows(const RowAxpyArgs& args, int64_t first) {
  const std::byte* row[kRows];
  Vec value[kRows];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    row[i] = args.weights + args.indices[first + i] * args.weight_stride * W::kBytes;
    value[i] = broadcast(args.values[first + i]);
  }
  for (int64_t o = 0; o < args.blocks * 16; o += W::kAtOnce * kLanes) {
#pragma GCC unroll 2
    for (int v = 0; v < W::kAtOnce; ++v) {
      // Two sums: the chain of dependent FMAs is then half as long.
      Vec even = load(args.y + o + v * kLanes), odd{};
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) (i % 2 ? odd : even) += value[i] * W::vector(row[i] + o * W::kBytes, v);
      store(args.y + o + v * kLanes, even + odd);
    }
  }
}

template <typename W>
void row_axpy(const RowAxpyArgs& args) {
  int64_t i = 0;
  for (; i + 8 <= args.count; i += 8) add_rows<W, 8>(args, i);
  for (; i + 2 <= args.count; i += 2) add_rows<W, 2>(args, i);
  if (i < args.count) add_rows<W, 1>(args, i);
}

}  // namespace

int64_t f32_nonzero_list(const float* x, int64_t count, int32_t* indices, float* values) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; ++i) {  // without a branch: zeros come at random
    indices[found] = static_cast<int32_t>(i);
    values[found] = x[i];
    found += x[i] != 0.0f;
  }
  return found;
}

void f32_row_axpy_ukernel_8(const RowAxpyArgs& args) { row_axpy<F32Weights>(args); }
void f32_bf16w_row_axpy_ukernel_8(const RowAxpyArgs& args) { row_axpy<Bf16Weights>(args); }
void f32_fp16w_row_axpy_ukernel_8(const RowAxpyArgs& args) { row_axpy<Fp16Weights>(args); }

}  // namespace zeroskip::ZS_ISA
