#include "kernels/reference/qconv.h"

#include <algorithm>
#include <cmath>

namespace zeroskip::reference {

void add_products(const QuantizedTile& tile, int32_t* sums) {
  for (int64_t pixel = 0; pixel < tile.pixels; ++pixel)
    for (int64_t tap = 0; tap < tile.taps; ++tap)
      for (int64_t c = 0; c < tile.channels; ++c)
        for (int64_t o = 0; o < tile.outputs; ++o)
          sums[pixel * tile.outputs + o] += (tile.x[pixel * tile.taps + tap][c] - tile.zero_point) *
                                            tile.weights[(tap * tile.channels + c) * 64 + o];
}

namespace {

// Keeps an operation from being fused with the next one.
float by_itself(float value) {
  const volatile float rounded = value;
  return rounded;
}

float value_of(const RequantizeArgs& args, int32_t sum, int64_t pixel, int64_t o) {
  const float value = by_itself(static_cast<float>(sum) * args.multipliers[o]);
  if (!args.residual) return value;
  const float rounded = std::nearbyint(std::clamp(value, args.sum_min, args.sum_max));
  const float other =
      static_cast<float>(args.residual[pixel * args.residual_stride + o]) - args.residual_zero;
  return (args.rounds_sum ? by_itself(rounded * args.sum_scale) : value) +
         by_itself(other * args.residual_scale);
}

}  // namespace

void requantize(const RequantizeArgs& args, const int32_t* sums, int64_t pixels, int64_t outputs) {
  for (int64_t pixel = 0; pixel < pixels; ++pixel)
    for (int64_t o = 0; o < outputs; ++o) {
      float value = value_of(args, sums[pixel * outputs + o], pixel, o);
      if (args.thresholds && !(value > args.thresholds[o])) value = 0.0f;
      const float shifted = std::nearbyint(std::clamp(value, -32767.0f, args.max_value)) +
                            static_cast<float>(args.zero_points[o]);
      args.y[pixel * args.y_stride + o] = static_cast<uint8_t>(std::clamp(shifted, 0.0f, 255.0f));
    }
}

}  // namespace zeroskip::reference
