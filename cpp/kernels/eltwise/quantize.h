// Between float32 and u8 steps of one scale: q = saturate(round(x / scale) + zero_point), x = (q - zero_point) * scale.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zeroskip {

// Element c < channels of every pixel is computed, elements from there up to `padded` are written as zero. Exactly
// these are read and written, at any alignment, so that a row is one pixel with padded = channels. round is to the
// nearest, half to even; NaN becomes the smallest u8.
struct QuantizeArgs {
  int64_t pixels = 0;
  int64_t channels = 0;
  int64_t padded = 0;
  int64_t x_stride = 0;    // in elements of x
  int64_t y_stride = 0;    // in elements of y
  float scale = 1;         // finite, above 0
  int32_t zero_point = 0;  // 0 to 255
};
using QuantizeFn = void (*)(const QuantizeArgs&, const float* x, uint8_t* y);
using DequantizeFn = void (*)(const QuantizeArgs&, const uint8_t* x, float* y);

}  // namespace zeroskip
