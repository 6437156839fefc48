#include "kernels/broadcast/broadcast.h"

#include <cmath>

#include "kernels/common/partial.h"

namespace zeroskip::ZS_ISA {
namespace {

template <int kAStride, int kBStride, typename Function>
inline void run(const BroadcastArgs& args, const Function& function) {
  for (int64_t i = 0; i < args.count; i += kLanes) {
    const int64_t lanes = lanes_left(args.count - i);
    const Vec a = kAStride ? load_some(args.a + i, lanes, 1.0f) : broadcast(*args.a);
    const Vec b = kBStride ? load_some(args.b + i, lanes, 1.0f) : broadcast(*args.b);
    store_some(args.y + i, function(a, b), lanes);
  }
}

template <typename Function>
inline void combine(const BroadcastArgs& args, const Function& function) {
  if (args.count > 1 && args.a_stride == 0) return run<0, 1>(args, function);
  if (args.count > 1 && args.b_stride == 0) return run<1, 0>(args, function);
  run<1, 1>(args, function);
}

// 1 in the lanes where a comparison holds, else 0.
inline Vec truth(IntVec holds) { return holds ? broadcast(1.0f) : Vec{}; }

inline Vec operand(const float* values, int64_t stride, int64_t first, int64_t lanes) {
  return stride ? load_some(values + first, lanes, 1.0f) : broadcast(*values);
}

}  // namespace

void f32_broadcast_add(const BroadcastArgs& args) {
  combine(args, [](Vec a, Vec b) { return a + b; });
}

void f32_broadcast_sub(const BroadcastArgs& args) {
  combine(args, [](Vec a, Vec b) { return a - b; });
}

void f32_broadcast_mul(const BroadcastArgs& args) {
  combine(args, [](Vec a, Vec b) { return a * b; });
}

void f32_broadcast_div(const BroadcastArgs& args) {
  combine(args, [](Vec a, Vec b) { return a / b; });
}

// a where it is the larger one or NaN, else b, which then is the larger one or NaN.
void f32_broadcast_max(const BroadcastArgs& args) {
  combine(args, [](Vec a, Vec b) { return ((a > b) | (a != a)) ? a : b; });
}

void f32_broadcast_min(const BroadcastArgs& args) {
  combine(args, [](Vec a, Vec b) { return ((a < b) | (a != a)) ? a : b; });
}

void f32_broadcast_pow(const BroadcastArgs& args) {
  combine(args, [](Vec a, Vec b) {
    Vec y;
    for (int lane = 0; lane < kLanes; ++lane) y[lane] = std::pow(a[lane], b[lane]);
    return y;
  });
}

void f32_broadcast_prelu(const BroadcastArgs& args) {
  combine(args, [](Vec a, Vec b) { return a > Vec{} ? a : a * b; });
}

void f32_broadcast_greater(const BroadcastArgs& args) {
  combine(args, [](Vec a, Vec b) { return truth(a > b); });
}

void f32_broadcast_greater_equal(const BroadcastArgs& args) {
  combine(args, [](Vec a, Vec b) { return truth(a >= b); });
}

void f32_broadcast_equal(const BroadcastArgs& args) {
  combine(args, [](Vec a, Vec b) { return truth(a == b); });
}

void f32_broadcast_quotient(const BroadcastArgs& args) {
  combine(args, [](Vec a, Vec b) {
    Vec y = a / b;
    for (int lane = 0; lane < kLanes; ++lane) y[lane] = std::trunc(y[lane]);
    return y;
  });
}

void f32_broadcast_select(const BroadcastArgs& args) {
  for (int64_t i = 0; i < args.count; i += kLanes) {
    const int64_t lanes = lanes_left(args.count - i);
    const Vec a = operand(args.a, args.a_stride, i, lanes), b = operand(args.b, args.b_stride, i, lanes);
    const Vec condition = operand(args.condition, args.condition_stride, i, lanes);
    store_some(args.y + i, condition != Vec{} ? a : b, lanes);
  }
}

}  // namespace zeroskip::ZS_ISA
