#pragma once

#include "kernels/common/simd.h"
#include "kernels/kernel_types.h"

namespace zeroskip::ZS_ISA {

// The epilogue of one pixel whose accumulators are in registers: v holds kBlocks * 16 channels.
template <int kBlocks>
inline void finish_pixel(const ConvEpilogueArgs& args, int64_t pixel, const Vec* v) {
  const float* residual = args.residual + pixel * args.residual_stride;
  float* y = args.y + pixel * args.y_stride;
  const Vec max_value = broadcast(args.max_value);
#pragma GCC unroll 8
  for (int block = 0; block < kBlocks; ++block) {
    uint32_t bits = 0;
#pragma GCC unroll 4
    for (int i = 0; i < kVectorsPerBlock; ++i) {
      const int64_t channel = block * 16 + i * kLanes;
      Vec value = v[block * kVectorsPerBlock + i];
      if (args.residual) value += load(residual + channel);
      if (args.thresholds) value = min(fatrelu(value, load(args.thresholds + channel)), max_value);
      store(y + channel, value);
      bits |= nonzero_bits(value) << (i * kLanes);
    }
    if (args.mask) args.mask[pixel * args.mask_stride + block] = static_cast<uint16_t>(bits);
  }
}

}  // namespace zeroskip::ZS_ISA
