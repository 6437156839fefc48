#include "ops/mask.h"

#include <cstring>

#include "kernels/lookup.h"

namespace zeroskip {

void copy_pixels(const std::byte* from, int64_t from_stride, std::byte* to, int64_t to_stride, int64_t pixels,
                 int64_t bytes) {
  const auto size = static_cast<size_t>(bytes);
  const auto padding = static_cast<size_t>(round_up(bytes, kChannelBlockBytes) - bytes);
  for (int64_t p = 0; p < pixels; ++p, from += from_stride, to += to_stride) {
    std::memcpy(to, from, size);
    std::memset(to + bytes, 0, padding);
  }
}

MaskWriter::MaskWriter(const KernelTable& kernels, const TensorSpec& y) {
  if (y.masked) kernel_ = get_kernel<MaskFn>(kernels, {.kind = "mask", .input = y.dtype}).function;
}

void MaskWriter::write(const Tensor& y, int64_t first_pixel, int64_t pixels) const {
  if (!kernel_) return;
  kernel_({.pixels = pixels,
           .blocks = y.spec->blocks(),
           .x = y.pixel(first_pixel),
           .x_stride = y.spec->pixel_stride,
           .mask = y.mask + first_pixel * y.spec->mask_stride(),
           .mask_stride = y.spec->mask_stride()});
}

}  // namespace zeroskip
