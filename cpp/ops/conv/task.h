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

}  // namespace zeroskip
