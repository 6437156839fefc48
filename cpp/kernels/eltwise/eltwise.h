// Pointwise kernels: arithmetic and activations on pixels of an nhwc tensor, masks, layout changes, and the
// two normalisations that run along channels (softmax, LRN).
//
// Row tensors are run through the same kernels as pixels of 16 channels or as rows of channels (see
// ops/pointwise.h).
#pragma once

#include <cstddef>
#include <cstdint>

namespace zeroskip {

// y[p][c] = f(x[p][c], ...) for every pixel p and channel c < channels; channels up to the next multiple of
// 16 are read (they are zero) and written as zero. y may be x or other exactly. Members that a kernel does
// not name below are ignored by it.
struct EltwiseArgs {
  int64_t pixels = 0;
  int64_t channels = 0;
  const float* x = nullptr;
  int64_t x_stride = 0;
  const float* other = nullptr;  // add, mul: the second operand
  int64_t other_stride = 0;      // 0 repeats one pixel
  float* y = nullptr;
  int64_t y_stride = 0;
  uint16_t* mask = nullptr;  // of y; null: none is wanted
  int64_t mask_stride = 0;
  const float* scale = nullptr;  // affine, prelu (of what is not above 0): [padded channels]
  const float* bias = nullptr;   // affine: [padded channels], padding zero
  const float* thresholds =
      nullptr;          // add, affine, fatrelu: [padded channels], padding not negative; null: none
  float max_value = 0;  // clip, and the upper clip after a threshold; +inf: none
  float min_value = 0;  // clip
  float alpha = 0;      // hardsigmoid: max(0, min(1, alpha * x + beta)); elu, celu: as ONNX has it
  float beta = 0;       // elu: what the result is multiplied with
};

// add, affine: FATReLU and upper clip follow when thresholds is not null. clip, sigmoid, ...: NaN propagates.
using EltwiseFn = void (*)(const EltwiseArgs&);

// What only moves values, or asks which are zero, exists for every element type T: x is then of T, strides
// count elements, and a block is a channel block of T (base/types.inc).

// Bit j of mask[p][b] says that any of the elements j * m ... j * m + m - 1 of block b of x[p] differs from
// zero, where m are the elements for which a mask bit of T stands.
struct MaskArgs {
  int64_t pixels = 0;
  int64_t blocks = 0;
  const std::byte* x = nullptr;
  int64_t x_stride = 0;
  uint16_t* mask = nullptr;
  int64_t mask_stride = 0;
};
using MaskFn = void (*)(const MaskArgs&);

// Between planar (NCHW) and nhwc: element (p, c) lies at planar[c * plane_stride + p] and at nhwc[p *
// pixel_stride + c]. The planar side is read or written exactly and may have any alignment; padding channels
// of nhwc are written as zero. nhwc is the source or the destination by the kernel's name.
struct PlanarArgs {
  int64_t pixels = 0;
  int64_t channels = 0;
  int64_t plane_stride = 0;
  int64_t pixel_stride = 0;
};
using PlanarToNhwcFn = void (*)(const PlanarArgs&, const std::byte* planar, std::byte* nhwc);
using NhwcToPlanarFn = void (*)(const PlanarArgs&, const std::byte* nhwc, std::byte* planar);

// Softmax of `rows` independent sets of `count` >= 1 values: set r is x[r * row_stride + i * stride]. Reads
// and writes exactly these values, at any alignment; x and y have the same strides and may be the same. One
// of the strides is 1.
struct SoftmaxArgs {
  int64_t rows = 0;
  int64_t row_stride = 0;
  int64_t count = 0;
  int64_t stride = 1;
};
using SoftmaxFn = void (*)(const SoftmaxArgs&, const float* x, float* y);

// y[p][c] = x[p][c] / (bias + alpha / size * sum of x[p][j]^2)^beta over j in [c - (size - 1) / 2, c + size /
// 2] that exist. `squares` is scratch for the channels rounded up to 16 and 2 * size more.
struct LrnArgs {
  EltwiseArgs pixels;  // pixels, channels, x, y, mask and their strides
  int64_t size = 1;
  float alpha = 0, beta = 0, bias = 0;
  float* squares = nullptr;
};
using LrnFn = void (*)(const LrnArgs&);

}  // namespace zeroskip
