// Scalar convolution of u8 by s8: the oracle of the microkernels, written for reading. It knows none of their layouts.
#pragma once

#include "kernels/kernel_types.h"

namespace zeroskip::reference {

struct QuantizedTile {
  int64_t pixels, taps, channels, outputs;
  const uint8_t* const* x;  // [pixel][tap]: its channels
  uint8_t zero_point;
  const int8_t* weights;  // [tap][channel][64]
};

// sums[pixel][output] += sum over taps and channels of (x - zero_point) * weight.
void add_products(const QuantizedTile& tile, int32_t* sums);

// The contract of RequantizeArgs.
void requantize(const RequantizeArgs& args, const int32_t* sums, int64_t pixels, int64_t outputs);

}  // namespace zeroskip::reference
