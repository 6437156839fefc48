#include "kernels/common/partial.h"
#include "kernels/eltwise/eltwise.h"
#include "kernels/eltwise/vector_math.h"

namespace zeroskip::ZS_ISA {
namespace {

// One contiguous set of values; the last, partial vector is padded with -inf, whose exponential adds nothing.
inline void softmax_row(const float* x, float* y, int64_t count) {
  const float low = -__builtin_inff();
  Vec largest = broadcast(low);
  for (int64_t i = 0; i < count; i += kLanes)
    largest = max(largest, load_some(x + i, lanes_left(count - i), low));
  float peak = largest[0];
  for (int lane = 1; lane < kLanes; ++lane) peak = largest[lane] > peak ? largest[lane] : peak;

  float total = 0.0f;
  Vec sum{};
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t lanes = lanes_left(count - i);
    const Vec value = exp(load_some(x + i, lanes, low) - broadcast(peak));
    store_some(y + i, value, lanes);
    if (lanes == kLanes)
      sum += value;
    else
      for (int64_t lane = 0; lane < lanes; ++lane) total += value[lane];
  }
  for (int lane = 0; lane < kLanes; ++lane) total += sum[lane];
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t lanes = lanes_left(count - i);
    store_some(y + i, load_some(y + i, lanes, 0.0f) / broadcast(total), lanes);
  }
}

// Up to kLanes interleaved sets side by side, one per lane.
inline void softmax_lanes(const float* x, float* y, int64_t count, int64_t stride, int64_t lanes) {
  Vec peak = load_some(x, lanes, 0.0f);
  for (int64_t i = 1; i < count; ++i) peak = max(peak, load_some(x + i * stride, lanes, 0.0f));
  Vec total{};
  for (int64_t i = 0; i < count; ++i) {
    const Vec value = exp(load_some(x + i * stride, lanes, 0.0f) - peak);
    store_some(y + i * stride, value, lanes);
    total += value;
  }
  for (int64_t i = 0; i < count; ++i)
    store_some(y + i * stride, load_some(y + i * stride, lanes, 0.0f) / total, lanes);
}

}  // namespace

void f32_softmax(const SoftmaxArgs& args, const float* x, float* y) {
  if (args.stride == 1) {
    for (int64_t r = 0; r < args.rows; ++r)
      softmax_row(x + r * args.row_stride, y + r * args.row_stride, args.count);
    return;
  }
  for (int64_t r = 0; r < args.rows; r += kLanes)
    softmax_lanes(x + r, y + r, args.count, args.stride, lanes_left(args.rows - r));
}

}  // namespace zeroskip::ZS_ISA
