// Between float32 and bf16.
#include "kernels/bconv/finish.h"

namespace zeroskip::ZS_ISA {

void f32_narrow(const ConvertArgs& args, const float* x, Bf16* y) {
  for (int64_t p = 0; p < args.pixels; ++p, x += args.x_stride, y += args.y_stride) {
    int64_t c = 0;
    for (; c + kLanes <= args.channels; c += kLanes) store_bf16(y + c, load(x + c), kLanes);
    const int64_t left = args.channels - c;
    if (left > 0) store_bf16(y + c, load_some(x + c, left, 0.0f), left);
    std::memset(y + args.channels, 0, static_cast<size_t>(args.padded - args.channels) * sizeof(Bf16));
  }
}

void bf16_extend(const ConvertArgs& args, const Bf16* x, float* y) {
  for (int64_t p = 0; p < args.pixels; ++p, x += args.x_stride, y += args.y_stride) {
    int64_t c = 0;
    for (; c + kLanes <= args.channels; c += kLanes) store(y + c, load_bf16(&x[c].bits));
    const int64_t left = args.channels - c;
    if (left > 0) {
      HalfShortVec rest{};
      std::memcpy(&rest, x + c, static_cast<size_t>(left) * sizeof(Bf16));
      store_some(y + c, widen_bf16(rest), left);
    }
    std::memset(y + args.channels, 0, static_cast<size_t>(args.padded - args.channels) * sizeof(float));
  }
}

}  // namespace zeroskip::ZS_ISA
