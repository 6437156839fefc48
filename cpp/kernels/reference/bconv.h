// Scalar convolution of bf16: the oracle of the microkernels, written for reading. It knows none of their layouts.
#pragma once

#include "kernels/kernel_types.h"

namespace zeroskip::reference {

float widen(Bf16 value);

// To the nearest, of two equally near ones the even one; NaN stays one, denormals become zero.
Bf16 round_to_bf16(float value);

struct Bf16Tile {
  int64_t pixels, taps, channels, outputs;
  const Bf16* const* x;  // [pixel][tap]: its channels
  const Bf16* weights;   // [tap][channel][outputs]
};

// sums[pixel][output] += sum over taps and channels of x * weight. Adds the magnitudes of all terms to magnitudes.
void add_products(const Bf16Tile& tile, double* sums, double* magnitudes);

// clip(FATReLU(sum + residual)) of one output, before it is rounded.
float finish(const BconvEpilogueArgs& args, float sum, int64_t pixel, int64_t output);

}  // namespace zeroskip::reference
