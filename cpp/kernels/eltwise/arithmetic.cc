#include "kernels/eltwise/pixel_loop.h"

namespace zeroskip::ZS_ISA {

void f32_add(const EltwiseArgs& args) {
  pixel_loop_with_epilogue(args, [&](int64_t p, int64_t c) {
    return load(args.x + p * args.x_stride + c) + load(args.other + p * args.other_stride + c);
  });
}

void f32_mul(const EltwiseArgs& args) {
  pixel_loop<true>(args, [&](int64_t p, int64_t c) {
    return load(args.x + p * args.x_stride + c) * load(args.other + p * args.other_stride + c);
  });
}

void f32_affine(const EltwiseArgs& args) {
  pixel_loop_with_epilogue(args, [&](int64_t p, int64_t c) {
    return load(args.x + p * args.x_stride + c) * load(args.scale + c) + load(args.bias + c);
  });
}

void f32_fatrelu(const EltwiseArgs& args) {
  pixel_loop_with_epilogue(args, [&](int64_t p, int64_t c) { return load(args.x + p * args.x_stride + c); });
}

void f32_mask(const MaskArgs& args) {
  for (int64_t p = 0; p < args.pixels; ++p) {
    const float* x = reinterpret_cast<const float*>(args.x) + p * args.x_stride;
    for (int64_t block = 0; block < args.blocks; ++block) {
      uint32_t bits = 0;
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i)
        bits |= nonzero_bits(load(x + block * 16 + i * kLanes)) << (i * kLanes);
      args.mask[p * args.mask_stride + block] = static_cast<uint16_t>(bits);
    }
  }
}

}  // namespace zeroskip::ZS_ISA
