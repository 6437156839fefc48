// The input of a few channels, gathered into padded, tightly packed rows that the dense algorithm reads.
#pragma once

#include "ops/conv/task.h"

namespace zeroskip {

// The input tensor of a run as a few-channel image.
PlainImage plain_input(const ConvPlan& plan, const Tensor& x);

// Fills rows [n][h + pads][w + pads][c], zeros in the padding.
void gather_rows(const ConvGeometry& geometry, const PlainImage& x, float* rows, int num_threads);

}  // namespace zeroskip
