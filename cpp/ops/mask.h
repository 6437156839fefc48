// Helpers of operators that move pixels rather than compute them, of every element type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/tensor.h"
#include "kernels/kernel_types.h"

namespace zeroskip {

// Copies `bytes` bytes of each pixel and fills up with zeros to a whole channel block. Strides are in bytes.
void copy_pixels(const std::byte* from, int64_t from_stride, std::byte* to, int64_t to_stride, int64_t pixels,
                 int64_t bytes);

// Writes masks from values that are still in cache.
class MaskWriter {
 public:
  // Throws Error where a mask is wanted and no kernel makes one of y's type.
  MaskWriter(const KernelTable& kernels, const TensorSpec& y);

  // Of the given pixels of y. No mask, no effect.
  void write(const Tensor& y, int64_t first_pixel, int64_t pixels) const;

 private:
  MaskFn kernel_ = nullptr;
};

}  // namespace zeroskip
