// Winograd convolution of a dense layer of stride 1, 3x3 or 4x4: a quarter of the multiplications, for two to
// four times the memory of the weights and a somewhat larger rounding error (see
// kernels/winograd/winograd.h).
#pragma once

#include "ops/conv/weights.h"
#include "ops/conv/winograd_schedule.h"

namespace zeroskip {

class WinogradConv {
 public:
  // `weight` is [o][c][kh][kw], transformed once for each `key`.
  WinogradConv(const WinogradPlan& plan, const float* weight, const std::string& key,
               const BuildContext& context);

  struct Operands {
    const float* x;  // nhwc
    int64_t x_stride;
    const float* bias;          // padded to whole slabs
    int64_t residual_pixels;    // after which the residual begins anew
    ConvEpilogueArgs epilogue;  // at the first output pixel and channel
  };
  void run(const Operands& operands, std::span<std::byte> scratch) const;
  size_t scratch_bytes() const;
  std::string kernel_name() const;

 private:
  // 36 matrices with a row per tile.
  struct Matrices {
    float* data;
    int64_t matrix_stride, row_stride;
  };
  struct Task {
    int64_t first_tile, tiles, first_slab, slabs;
  };

  Task task_at(int64_t index) const;
  void transform_inputs(const Operands& operands, const Task& task, const Matrices& v) const;
  void multiply(const Task& task, const Matrices& v, const Matrices& m) const;
  void finish(const Operands& operands, const Task& task, const Matrices& m) const;
  int64_t v_floats() const;
  int64_t m_floats() const;

  WinogradPlan plan_;
  const KernelTable& kernels_;
  WinogradOutputFn finish_tile_;
  WeightStore::Packed weights_;  // [36][slab][in][64]
};

}  // namespace zeroskip
