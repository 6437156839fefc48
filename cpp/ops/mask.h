// Helpers of operators that move pixels rather than compute them.
#pragma once

#include <cstdint>

#include "base/tensor.h"
#include "kernels/kernel_types.h"

namespace zeroskip {

// Copies `channels` values of each pixel; destination channels from there to the next multiple of 16 become
// zero.
void copy_pixels(const float* from, int64_t from_stride, float* to, int64_t to_stride, int64_t pixels,
                 int64_t channels);

// Writes the mask of the given pixels of y from their values, while these are still in cache. No mask, no
// effect.
void write_mask(const KernelTable& kernels, const Tensor& y, int64_t first_pixel, int64_t pixels);

}  // namespace zeroskip
