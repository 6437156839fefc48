#include "kernels/eltwise/pixel_loop.h"

namespace zeroskip::ZS_ISA {
namespace {

inline Vec square_root(Vec v) {
#pragma GCC unroll 16
  for (int lane = 0; lane < kLanes; ++lane) v[lane] = __builtin_sqrtf(v[lane]);
  return v;
}

inline Vec power(Vec v, float exponent) {
  if (exponent == 0.75f) {  // the only one in use, by every network that has this layer
    const Vec root = square_root(v);
    return root * square_root(root);
  }
  for (int lane = 0; lane < kLanes; ++lane) v[lane] = __builtin_powf(v[lane], exponent);
  return v;
}

// squares[j] = x[j]^2 for the channels, zeros on `margin` places before and after.
inline void fill_squares(const float* x, int64_t channels, int64_t margin, float* squares) {
  for (int64_t j = 0; j < margin; ++j) squares[j] = 0.0f;
  for (int64_t j = 0; j < channels; ++j) squares[margin + j] = x[j] * x[j];
  const int64_t padded = (channels + 15) / 16 * 16;
  for (int64_t j = channels; j < padded + margin; ++j) squares[margin + j] = 0.0f;
}

}  // namespace

void f32_lrn(const LrnArgs& args) {
  const EltwiseArgs& all = args.pixels;
  const float* first = args.squares + args.size - (args.size - 1) / 2;
  const Vec factor = broadcast(args.alpha / static_cast<float>(args.size)), bias = broadcast(args.bias);
  EltwiseArgs one = all;
  one.pixels = 1;
  for (int64_t p = 0; p < all.pixels; ++p) {
    const float* x = all.x + p * all.x_stride;
    one.y = all.y + p * all.y_stride;
    if (all.mask) one.mask = all.mask + p * all.mask_stride;
    fill_squares(x, all.channels, args.size, args.squares);
    pixel_loop<false>(one, [&](int64_t, int64_t c) {
      Vec sum{};
      for (int64_t j = 0; j < args.size; ++j) sum += load(first + c + j);
      return load(x + c) / power(bias + factor * sum, args.beta);
    });
  }
}

}  // namespace zeroskip::ZS_ISA
