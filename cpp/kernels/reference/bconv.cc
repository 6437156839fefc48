#include "kernels/reference/bconv.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace zeroskip::reference {

float widen(Bf16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }

Bf16 round_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto upper = static_cast<uint16_t>(bits >> 16);
  if (std::isnan(value)) return {static_cast<uint16_t>(upper | 0x40)};
  if (std::fpclassify(value) == FP_SUBNORMAL) return {static_cast<uint16_t>(upper & 0x8000)};
  const uint32_t rest = bits & 0xffff;
  const bool is_up = rest > 0x8000 || (rest == 0x8000 && upper % 2 == 1);
  return {static_cast<uint16_t>(upper + is_up)};
}

void add_products(const Bf16Tile& tile, double* sums, double* magnitudes) {
  for (int64_t pixel = 0; pixel < tile.pixels; ++pixel)
    for (int64_t tap = 0; tap < tile.taps; ++tap)
      for (int64_t c = 0; c < tile.channels; ++c)
        for (int64_t o = 0; o < tile.outputs; ++o) {
          const double x = widen(tile.x[pixel * tile.taps + tap][c]);
          const double product = x * widen(tile.weights[(tap * tile.channels + c) * tile.outputs + o]);
          sums[pixel * tile.outputs + o] += product;
          magnitudes[pixel * tile.outputs + o] += std::fabs(product);
        }
}

float finish(const BconvEpilogueArgs& args, float sum, int64_t pixel, int64_t output) {
  if (args.residual) sum += widen(args.residual[pixel * args.residual_stride + output]);
  if (!args.thresholds) return sum;
  return std::min(args.max_value, sum > args.thresholds[output] ? sum : 0.0f);
}

}  // namespace zeroskip::reference
