#pragma once

#include <limits>

#include "kernels/common/simd.h"
#include "kernels/dconv/dconv.h"

namespace zeroskip::ZS_ISA {

// A whole accumulator row of any kernel fits.
alignas(64) inline constexpr float kNoThresholds[128] = {};

template <int kBlocks, bool kResidual>
inline void finish_blocks(const float* residual, const float* thresholds, IntVec keep_all, Vec max_value,
                          float* y, uint16_t* mask, const Vec* v) {
#pragma GCC unroll 8
  for (int block = 0; block < kBlocks; ++block) {
    uint32_t bits = 0;
#pragma GCC unroll 4
    for (int i = 0; i < kVectorsPerBlock; ++i) {
      const int64_t channel = block * 16 + i * kLanes;
      Vec value = v[block * kVectorsPerBlock + i];
      if constexpr (kResidual) value += load(residual + channel);
      const IntVec keep = (value > load(thresholds + channel)) | keep_all;
      value = min(max_value, reinterpret_cast<Vec>(reinterpret_cast<IntVec>(value) & keep));
      store(y + channel, value);
      bits |= nonzero_bits(value) << (i * kLanes);
    }
    mask[block] = static_cast<uint16_t>(bits);
  }
}

// The epilogue of one pixel whose accumulators are in registers: v holds kBlocks * 16 channels. Absent parts
// are replaced by neutral ones rather than branched around: this runs once per 16 to 128 outputs.
template <int kBlocks>
inline void finish_pixel(const ConvEpilogueArgs& args, int64_t pixel, const Vec* v) {
  uint16_t unused[kBlocks];
  const float* thresholds = args.thresholds ? args.thresholds : kNoThresholds;
  const IntVec keep_all = IntVec{} - (args.thresholds ? 0 : 1);
  const Vec max_value = broadcast(args.thresholds ? args.max_value : std::numeric_limits<float>::infinity());
  float* y = args.y + pixel * args.y_stride;
  uint16_t* mask = args.mask ? args.mask + pixel * args.mask_stride : unused;
  if (args.residual)
    finish_blocks<kBlocks, true>(args.residual + pixel * args.residual_stride, thresholds, keep_all,
                                 max_value, y, mask, v);
  else
    finish_blocks<kBlocks, false>(nullptr, thresholds, keep_all, max_value, y, mask, v);
}

}  // namespace zeroskip::ZS_ISA
