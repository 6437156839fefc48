#include <limits>

#include "kernels/common/simd.h"
#include "kernels/dconv/dconv.h"

namespace zeroskip::ZS_ISA {

void f32_conv_init(int64_t pixels, int64_t blocks, const float* bias, float* acc) {
  const int64_t width = blocks * 16;
  for (int64_t p = 0; p < pixels; ++p, acc += width)
    for (int64_t c = 0; c < width; c += kLanes) store(acc + c, load(bias + c));
}

namespace {

template <bool kResidual, bool kActivation>
void epilogue(const ConvEpilogueArgs& args) {
  const Vec max_value = broadcast(args.max_value);
  for (int64_t p = 0; p < args.pixels; ++p) {
    const float* acc = args.acc + p * args.acc_stride;
    const float* residual = args.residual + p * args.residual_stride;
    float* y = args.y + p * args.y_stride;
    for (int64_t block = 0; block < args.blocks; ++block) {
      uint32_t bits = 0;
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i) {
        const int64_t c = block * 16 + i * kLanes;
        Vec value = load(acc + c);
        if constexpr (kResidual) value += load(residual + c);
        if constexpr (kActivation) value = min(fatrelu(value, load(args.thresholds + c)), max_value);
        store(y + c, value);
        bits |= nonzero_bits(value) << (i * kLanes);
      }
      if (args.mask) args.mask[p * args.mask_stride + block] = static_cast<uint16_t>(bits);
    }
  }
}

}  // namespace

void f32_conv_epilogue(const ConvEpilogueArgs& args) {
  if (args.residual)
    args.thresholds ? epilogue<true, true>(args) : epilogue<true, false>(args);
  else
    args.thresholds ? epilogue<false, true>(args) : epilogue<false, false>(args);
}

}  // namespace zeroskip::ZS_ISA
