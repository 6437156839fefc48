// How a Winograd convolution is cut into tasks, and what it costs beside direct convolution.
#pragma once

#include "ops/conv/geometry.h"

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

// A layer of stride 1 as it is computed: tiles of `outputs` x `outputs`, 4 of a 3x3 kernel and 3 of a 4x4 one.
struct WinogradPlan {
  ConvGeometry geometry;
  int64_t outputs;
  int64_t tile_rows, tile_columns;  // of an image
  WinogradWork work;
  WinogradSchedule schedule;

  double cost() const { return schedule.cost * work.num_threads; }  // in multiply-accumulates on one thread
};

// Whether it pays to look at the cost: 3x3, stride 1, not dilated, ungrouped, at least 16 channels in and out.
bool supports_winograd(const ConvGeometry& geometry);

WinogradPlan plan_winograd(const ConvGeometry& geometry, int num_threads);

// The cheapest cut. Transformed weights and inputs that leave L2 are what there is to avoid.
WinogradSchedule schedule_winograd(const WinogradWork& work);

}  // namespace zeroskip
