// Dense convolution (implicit GEMM with indirection) and what both convolutions share: initialising
// accumulators with the bias, and the epilogue that turns accumulators into a stored, masked activation.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zeroskip {

inline constexpr int kDconvPixels = 12;  // pixels per call; wide kernels take them in tiles of six

// y = clip(FATReLU(acc + residual)), then the mask of y. Null residual, thresholds or mask leave that part
// out; without thresholds no clip is applied either.
struct ConvEpilogueArgs {
  int64_t pixels;
  int64_t blocks;  // of 16 channels
  const float* acc;
  int64_t acc_stride;
  const float* residual;
  int64_t residual_stride;
  const float* thresholds;
  float max_value;  // +inf: no clip
  float* y;
  int64_t y_stride;
  uint16_t* mask;
  int64_t mask_stride;
};
// acc[p][o] = bias[o] + sum over taps t and channels k of pixels[t][p][k] * w[t][k][o], accumulators in
// registers throughout. pixels is [taps][kDconvPixels] pointers; a tap outside the image points at a buffer
// of zeros. Only the first `count` <= kDconvPixels pixels are computed and stored. weights: rows of 64
// outputs (see spconv.h), taps lie channels * 64 apart.
struct DconvArgs {
  int64_t count;
  int64_t taps;
  int64_t channels;
  const float* const* pixels;
  const float* weights;
  const float* bias;  // null: continue from what acc holds
  float* acc;
  int64_t acc_stride;
  const ConvEpilogueArgs* epilogue;  // if set, pixel p is finished into its pixel p instead of stored to acc
};
using DconvFn = void (*)(const DconvArgs&);

// acc[p][:] = bias[:] for `blocks` blocks of 16 channels, contiguous.
using ConvInitFn = void (*)(int64_t pixels, int64_t blocks, const float* bias, float* acc);

// Finishes accumulators that went through memory.
using ConvEpilogueFn = void (*)(const ConvEpilogueArgs&);

}  // namespace zeroskip
