// The epilogue of bf16 convolutions, on the sums of one pixel in registers.
#pragma once

#include "kernels/bconv/bconv.h"
#include "kernels/common/bf16_simd.h"
#include "kernels/common/partial.h"

namespace zeroskip::ZS_ISA {

inline void store_bf16(Bf16* p, Vec v, int64_t count) {
  const HalfShortVec rounded = round_to_bf16(v);
  std::memcpy(p, &rounded, count == kLanes ? sizeof(rounded) : static_cast<size_t>(count) * sizeof(Bf16));
}

template <int kVectors>
inline void finish_bf16(const BconvEpilogueArgs& args, int64_t pixel, const Vec (&sums)[kVectors]) {
  const Bf16* residual = args.residual ? args.residual + pixel * args.residual_stride : nullptr;
#pragma GCC unroll 32
  for (int i = 0; i < kVectors; ++i) {
    const int64_t channel = i * kLanes, count = lanes_left(args.outputs - channel);
    if (count <= 0) return;
    Vec value = sums[i];
    if (residual) value += load_bf16(&residual[channel].bits);
    if (args.thresholds)
      value = min(broadcast(args.max_value), fatrelu(value, load(args.thresholds + channel)));
    if (args.y)
      store_bf16(args.y + pixel * args.y_stride + channel, value, count);
    else
      store_some(args.float_y + pixel * args.y_stride + channel, value, count);
  }
}

}  // namespace zeroskip::ZS_ISA
