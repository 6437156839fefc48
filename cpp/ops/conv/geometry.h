// The shape of a convolution, checked once, and the index arithmetic both algorithms share.
#pragma once

#include <cstdint>

#include "ops/op.h"

namespace zeroskip {

struct ConvGeometry {
  int64_t n, c, h, w;  // input, logical channels
  int64_t o, oh, ow;   // output
  int64_t kh, kw, sh, sw, dh, dw;
  int64_t pad_top, pad_left, pad_bottom, pad_right;
  int64_t groups;

  int64_t taps() const { return kh * kw; }
  int64_t macs() const { return n * oh * ow * o * (c / groups) * taps(); }
  bool is_pointwise() const {
    return kh == 1 && kw == 1 && sh == 1 && sw == 1 && !pad_top && !pad_left && !pad_bottom && !pad_right;
  }

  // The output columns [first, last) whose input column under horizontal tap kx lies inside the image.
  void valid_columns(int64_t kx, int64_t* first, int64_t* last) const;
  // Likewise the output rows under vertical tap ky.
  void valid_rows(int64_t ky, int64_t* first, int64_t* last) const;
  // The input row of output row oy under vertical tap ky; may lie outside [0, h).
  int64_t input_row(int64_t oy, int64_t ky) const { return oy * sh - pad_top + ky * dh; }
  // The input rows and columns, padding included, that `rows` x `columns` outputs read.
  int64_t input_rows(int64_t rows) const { return (rows - 1) * sh + (kh - 1) * dh + 1; }
  int64_t input_columns(int64_t columns) const { return (columns - 1) * sw + (kw - 1) * dw + 1; }
  // Whether the first of one of `pairs` pairs of output pixels, side by side, reads this column of their input.
  bool pairs_read_column(int64_t pairs, int64_t column) const;
};

// A few-channel image and how far apart its elements are.
struct PlainImage {
  const float* data;
  int64_t image_stride, channel_stride, row_stride, column_stride;
};

// Reads kernel, strides, pads, dilations and groups from the step and checks them against the tensors and the
// weight's shape [o, c / groups, kh, kw]. `input_is_nhwc_rows` says the row-layout input is (N, H, W, C).
// A map one pixel wide comes as one of a single row. Throws Error naming the step.
ConvGeometry make_conv_geometry(const StepSpec& step, const TensorSpec& x, const TensorSpec& y,
                                const ConstantView& weight, bool input_is_nhwc_rows);

// A linear step as a pointwise convolution of N x C to N x O in rows. Throws Error.
ConvGeometry make_linear_geometry(const TensorSpec& x, const TensorSpec& y, const ConstantView& weight);

// The same pixels as one long row of one image: valid for pointwise convolutions only.
ConvGeometry flatten_pointwise(ConvGeometry geometry);

}  // namespace zeroskip
