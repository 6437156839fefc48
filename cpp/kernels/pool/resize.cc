#include "kernels/common/simd.h"
#include "kernels/pool/pool.h"

namespace zeroskip::ZS_ISA {
namespace {

// a at weight 0, b at weight 1; in this form equal inputs give exactly themselves.
inline Vec mix(Vec a, Vec b, Vec weight) { return a + weight * (b - a); }

}  // namespace

void f32_resize_linear(const ResizeArgs& args) {
  const Vec down = broadcast(args.down);
  for (int64_t p = 0; p < args.pixels; ++p) {
    const int64_t left = args.left[p] * args.x_stride, right = args.right[p] * args.x_stride;
    const Vec weight = broadcast(args.weight[p]);
    float* y = args.y + p * args.y_stride;
    for (int64_t block = 0; block < args.blocks; ++block) {
      uint32_t bits = 0;
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i) {
        const int64_t c = block * 16 + i * kLanes;
        const Vec top = mix(load(args.top + left + c), load(args.top + right + c), weight);
        const Vec bottom = mix(load(args.bottom + left + c), load(args.bottom + right + c), weight);
        const Vec value = mix(top, bottom, down);
        store(y + c, value);
        bits |= nonzero_bits(value) << (i * kLanes);
      }
      if (args.mask) args.mask[p * args.mask_stride + block] = static_cast<uint16_t>(bits);
    }
  }
}

}  // namespace zeroskip::ZS_ISA
