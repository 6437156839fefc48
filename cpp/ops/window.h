// The sliding window of depthwise convolution and pooling: attributes kernel, strides, pads (top, left,
// bottom, right) and, where `with_dilations`, dilations.
#pragma once

#include "ops/op.h"

namespace zeroskip {

struct Window {
  int64_t kernel_h, kernel_w, stride_h, stride_w;
  int64_t pad_top, pad_left, pad_bottom, pad_right;
  int64_t dilation_h = 1, dilation_w = 1;

  int64_t taps() const { return kernel_h * kernel_w; }
  // The input row under the first tap row of output row oh; negative in the padding.
  int64_t first_row(int64_t oh) const { return oh * stride_h - pad_top; }
};

// Reads the window and checks it against x and y, both nhwc with the same N and C. The output extent is exact
// (floor) or, where `allow_ceil`, anything between floor and ceil whose windows each hold at least one pixel
// of the image. Throws Error.
Window parse_window(const StepSpec& step, const TensorSpec& x, const TensorSpec& y, bool allow_ceil);

}  // namespace zeroskip
