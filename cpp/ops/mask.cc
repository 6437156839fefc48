#include "ops/mask.h"

#include <algorithm>
#include <cstring>

namespace zeroskip {

void copy_pixels(const float* from, int64_t from_stride, float* to, int64_t to_stride, int64_t pixels,
                 int64_t channels) {
  const int64_t padded = round_up(channels, kChannelBlock);
  for (int64_t p = 0; p < pixels; ++p, from += from_stride, to += to_stride) {
    std::memcpy(to, from, static_cast<size_t>(channels) * sizeof(float));
    std::fill(to + channels, to + padded, 0.0f);
  }
}

void write_mask(const KernelTable& kernels, const Tensor& y, int64_t first_pixel, int64_t pixels) {
  if (!y.mask) return;
  kernels.f32_mask({.pixels = pixels,
                    .blocks = y.spec->padded_c() / kChannelBlock,
                    .x = y.data + first_pixel * y.spec->pixel_stride,
                    .x_stride = y.spec->pixel_stride,
                    .mask = y.mask + first_pixel * y.spec->mask_stride(),
                    .mask_stride = y.spec->mask_stride()});
}

}  // namespace zeroskip
