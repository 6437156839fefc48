// Pooling and resampling: kernels whose output pixel is a fixed combination of input pixels, channel by
// channel.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zeroskip {

// One output row of a max or average pool. Taps outside the image are not read. Every window must hold at
// least one pixel of the image. Max: a NaN may be returned or dropped. Average: the sum divided by the number
// of taps inside the image or, with count_include_pad, inside the padded image.
// Max pooling exists for every element type, whose channel block is then meant and whose elements strides count.
struct PoolArgs {
  const std::byte* x = nullptr;  // of the image's first pixel
  int64_t x_stride = 0;
  int64_t in_h = 0, in_w = 0;
  int64_t first_row = 0;  // input row under the first tap row: oh * stride_h - pad_top; may be negative
  int64_t kernel_h = 0, kernel_w = 0;
  int64_t stride_w = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t pad_left = 0, pad_right = 0, pad_bottom = 0;
  bool count_include_pad = false;
  int64_t pixels = 0;
  int64_t blocks = 0;  // of channels
  std::byte* y = nullptr;
  int64_t y_stride = 0;
  uint16_t* mask = nullptr;  // null: none is wanted
  int64_t mask_stride = 0;
};
using PoolFn = void (*)(const PoolArgs&);

// y[c] = mean or maximum of x[p][c] over all pixels p >= 1, and the mask of y.
struct GlobalPoolArgs {
  const float* x = nullptr;
  int64_t x_stride = 0;
  int64_t pixels = 0;
  int64_t blocks = 0;  // of 16 channels
  float* y = nullptr;
  uint16_t* mask = nullptr;
};
using GlobalPoolFn = void (*)(const GlobalPoolArgs&);

// One output row of a bilinear resize: output pixel p mixes columns left[p] and right[p] of two input rows.
//   y[p] = (1 - down) * mix(top, p) + down * mix(bottom, p),  mix(r, p) = (1 - a) * r[left[p]] + a *
//   r[right[p]], a = weight[p].
struct ResizeArgs {
  const float* top = nullptr;
  const float* bottom = nullptr;
  float down = 0;
  int64_t x_stride = 0;
  const int64_t* left = nullptr;
  const int64_t* right = nullptr;
  const float* weight = nullptr;
  int64_t pixels = 0;
  int64_t blocks = 0;  // of 16 channels
  float* y = nullptr;
  int64_t y_stride = 0;
  uint16_t* mask = nullptr;
  int64_t mask_stride = 0;
};
using ResizeFn = void (*)(const ResizeArgs&);

}  // namespace zeroskip
