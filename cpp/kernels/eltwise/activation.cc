#include "kernels/eltwise/pixel_loop.h"
#include "kernels/eltwise/vector_math.h"

namespace zeroskip::ZS_ISA {
namespace {

template <typename Function>
inline void map_pixels(const EltwiseArgs& args, const Function& function) {
  pixel_loop<false>(args,
                    [&](int64_t p, int64_t c) { return function(load(args.x + p * args.x_stride + c)); });
}

// Limits x so that NaN stays NaN: the comparison is false for it, and x is what then remains.
inline Vec limit(Vec x, Vec low, Vec high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

}  // namespace

void f32_clip(const EltwiseArgs& args) {
  const Vec low = broadcast(args.min_value), high = broadcast(args.max_value);
  map_pixels(args, [&](Vec x) { return limit(x, low, high); });
}

void f32_sigmoid(const EltwiseArgs& args) {
  map_pixels(args, [](Vec x) { return sigmoid(x); });
}

void f32_hardsigmoid(const EltwiseArgs& args) {
  const Vec alpha = broadcast(args.alpha), beta = broadcast(args.beta);
  map_pixels(args, [&](Vec x) { return limit(alpha * x + beta, Vec{}, broadcast(1.0f)); });
}

void f32_hardswish(const EltwiseArgs& args) {
  const Vec sixth = broadcast(1.0f / 6), half = broadcast(0.5f);
  map_pixels(args, [&](Vec x) { return x * limit(sixth * x + half, Vec{}, broadcast(1.0f)); });
}

void f32_tanh(const EltwiseArgs& args) {
  map_pixels(args, [](Vec x) { return tanh(x); });
}

}  // namespace zeroskip::ZS_ISA
