// One task of a convolution, and where it finds its tensors and its working memory.
#pragma once

#include "ops/conv/plan.h"

namespace zeroskip {

// A run of output pixels, consecutive in memory: whole rows, or part of the one row of a flattened pointwise.
struct ConvTile {
  int64_t n, oy, rows, ox, columns;
  int64_t pixels() const { return rows * columns; }
};

// A tile, a group and a range of 16-channel blocks in it.
struct ConvTask {
  ConvTile tile;
  int64_t group, first_block, last_block;
};
ConvTask task_at(const ConvGeometry& geometry, const GroupLayout& layout, const ConvCut& cut, int64_t index);

// Where this run's tensors are.
struct ConvOperands {
  const float* x;
  int64_t x_stride;
  const uint16_t* mask;
  int64_t mask_stride;
  const float* residual;
  int64_t residual_stride;
  float* y;
  int64_t y_stride;
  uint16_t* y_mask;
  int64_t y_mask_stride;
};

struct ConvThreadScratch {
  float* acc;
  const float** pixels;
  float* weights;  // of 16-bit storage, expanded
};
ConvThreadScratch thread_scratch(const ConvPlan& plan, const RunContext& context, int thread);

// The input pixels that a tile's windows reach, whole rows of them.
struct PixelRange {
  int64_t first, count;
};
PixelRange input_pixels(const ConvGeometry& geometry, const ConvTile& tile);

// From a pixel to the next one of a tensor.
int64_t pixel_stride_of(const TensorSpec& tensor);

// Calls visit(pixel, oy, ox) for every output pixel of a tile.
template <typename Visit>
void for_each_pixel(const ConvTile& tile, const Visit& visit) {
  int64_t pixel = 0;
  for (int64_t oy = tile.oy; oy < tile.oy + tile.rows; ++oy)
    for (int64_t ox = tile.ox; ox < tile.ox + tile.columns; ++ox) visit(pixel++, oy, ox);
}

}  // namespace zeroskip
