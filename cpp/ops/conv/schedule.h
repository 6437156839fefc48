// How a convolution's work is cut into tasks for the threads.
#pragma once

#include <cstdint>

namespace zeroskip {

// What is to be cut: `images` times `lines` indivisible runs of output pixels (a row, a pair of rows, or one
// pixel of a flattened pointwise convolution), by `units` indivisible ranges of output channels.
struct ConvWork {
  int64_t images;
  int64_t lines;
  int64_t pixels_per_line;
  int64_t max_tile_pixels;  // accumulators of a larger tile leave L2
  int64_t units;
  int64_t mask_bytes_per_unit;
  int64_t panels;          // of weights, per unit
  double preparation = 0;  // that every task begins with, as a share of its pixels' work on one unit
  int num_threads;
};

struct ConvSchedule {
  int64_t lines_per_tile;
  int64_t units_per_task;
};

// The cut with the shortest critical path, where a small tile pays for reading each weight panel again and
// a narrow range of channels for mask words that share a cache line with another thread's.
ConvSchedule schedule_conv(const ConvWork& work);

}  // namespace zeroskip
