// Depthwise convolution: every channel has its own kernel.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zeroskip {

// One output row: y[p][c] = act(bias[c] + sum over taps of x * weight), for `pixels` output pixels and
// `blocks` blocks of 16 channels. Taps outside the image count as zero and are not read. All channel pointers
// start at the same channel, so that a caller can cut the channels into ranges whose weights stay in L1.
struct DwconvArgs {
  const float* x = nullptr;  // of the image's first pixel
  int64_t x_stride = 0;
  int64_t in_h = 0, in_w = 0;
  int64_t first_row = 0;  // input row under the first tap row: oh * stride_h - pad_top; may be negative
  int64_t kernel_h = 0, kernel_w = 0;
  int64_t stride_w = 0;
  int64_t dilation_h = 0, dilation_w = 0;
  int64_t pad_left = 0;
  const float* weights = nullptr;  // [kernel_h * kernel_w][weight_stride]
  int64_t weight_stride = 0;
  const float* bias = nullptr;
  const float* thresholds = nullptr;  // null: no activation
  float max_value = 0;                // upper clip after the threshold; +inf: none
  int64_t pixels = 0;
  int64_t blocks = 0;
  float* y = nullptr;
  int64_t y_stride = 0;
  uint16_t* mask = nullptr;  // null: none is wanted
  int64_t mask_stride = 0;
};
using DwconvFn = void (*)(const DwconvArgs&);

}  // namespace zeroskip
