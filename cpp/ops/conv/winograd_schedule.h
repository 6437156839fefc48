// How a Winograd convolution is cut into tasks, and what it costs beside direct convolution.
#pragma once

#include <cstdint>

namespace zeroskip {

struct WinogradWork {
  int64_t tiles;     // of 4x4 outputs, in all images
  int64_t channels;  // input channels, padded to 16
  int64_t slabs;     // of 64 output channels
  int num_threads;
};

// Tasks are `tiles_per_task` tiles by `slabs_per_task` slabs. Where a task has all slabs it transforms its
// own input; otherwise the inputs of all tiles are transformed first, once for all tasks.
struct WinogradSchedule {
  int64_t tiles_per_task;
  int64_t slabs_per_task;
  double cost;  // of the longest thread, in multiply-accumulates of the sparse kernel
};

// The cheapest cut. Transformed weights and inputs that leave L2 are what there is to avoid.
WinogradSchedule schedule_winograd(const WinogradWork& work);

}  // namespace zeroskip
