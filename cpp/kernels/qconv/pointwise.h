// u8 kernels that are no products of matrices, all ending in the epilogue of RequantizeArgs (kernels/qconv/qconv.h).
#pragma once

#include "kernels/qconv/qconv.h"

namespace zeroskip {

// One output row of a depthwise convolution. Taps are taken in pairs; weights are [pair][channels][2] of 16 bits,
// those of an absent last tap zero. Taps outside the image read `outside`, which holds the zero point of x for every
// channel of the range: the caller's bias makes up for all zero points.
struct QdwconvArgs {
  const uint8_t* x = nullptr;  // of the image's first pixel
  int64_t x_stride = 0;
  int64_t in_h = 0, in_w = 0;
  int64_t first_row = 0;  // input row under the first tap row: oh * stride_h - pad_top; may be negative
  int64_t kernel_h = 0, kernel_w = 0, stride_w = 0, dilation_h = 0, dilation_w = 0, pad_left = 0;
  const uint8_t* outside = nullptr;
  const int16_t* weights = nullptr;
  int64_t pair_stride = 0;  // from one pair of taps to the next
  const int32_t* bias = nullptr;
  int64_t pixels = 0;
  int64_t blocks = 0;   // of 16 channels
  int64_t padding = 0;  // blocks of y behind them, which become 0
  RequantizeArgs epilogue;
};
using QdwconvFn = void (*)(const QdwconvArgs&);
inline constexpr int64_t kMostDepthwiseTaps = 256;

// y = requantised x - zero_point, to which an epilogue with a residual adds another tensor.
struct QaddArgs {
  int64_t pixels = 0;
  int64_t blocks = 0;
  const uint8_t* x = nullptr;
  int64_t x_stride = 0;
  uint8_t zero_point = 0;
  RequantizeArgs epilogue;
};
using QaddFn = void (*)(const QaddArgs&);

// y = requantised sum over pixels of x - zero_point, one pixel of it.
struct QsumArgs {
  int64_t pixels = 0;
  int64_t blocks = 0;
  const uint8_t* x = nullptr;
  int64_t x_stride = 0;
  uint8_t zero_point = 0;
  RequantizeArgs epilogue;
};
using QsumFn = void (*)(const QsumArgs&);

}  // namespace zeroskip
