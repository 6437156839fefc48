// The loop all pointwise kernels share: pixels, blocks of 16 channels, vectors; store and mask.
#pragma once

#include "kernels/common/simd.h"
#include "kernels/eltwise/eltwise.h"

namespace zeroskip::ZS_ISA {

// Lanes [first, first + kLanes) of the channel axis that lie below `channels`.
inline IntVec channels_below(int64_t first, int64_t channels) {
  IntVec lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  const auto left = static_cast<int32_t>(channels - first);
  return lane < (left - IntVec{});
}

// Stores value(pixel, channel) for every pixel and vector of channels, and the mask when there is one.
// kKeepsZero says that the value of a padding channel is zero by itself.
template <bool kKeepsZero, typename Value>
inline void pixel_loop(const EltwiseArgs& args, const Value& value) {
  const int64_t blocks = (args.channels + 15) / 16;
  for (int64_t p = 0; p < args.pixels; ++p) {
    float* y = args.y + p * args.y_stride;
    for (int64_t block = 0; block < blocks; ++block) {
      uint32_t bits = 0;
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i) {
        const int64_t c = block * 16 + i * kLanes;
        Vec v = value(p, c);
        if constexpr (!kKeepsZero)
          v = reinterpret_cast<Vec>(reinterpret_cast<IntVec>(v) & channels_below(c, args.channels));
        store(y + c, v);
        bits |= nonzero_bits(v) << (i * kLanes);
      }
      if (args.mask) args.mask[p * args.mask_stride + block] = static_cast<uint16_t>(bits);
    }
  }
}

// pixel_loop with FATReLU and upper clip applied when the arguments ask for them.
template <typename Value>
inline void pixel_loop_with_epilogue(const EltwiseArgs& args, const Value& value) {
  if (!args.thresholds) return pixel_loop<true>(args, value);
  const Vec max_value = broadcast(args.max_value);
  pixel_loop<true>(args, [&](int64_t p, int64_t c) {
    return min(fatrelu(value(p, c), load(args.thresholds + c)), max_value);
  });
}

}  // namespace zeroskip::ZS_ISA
