#include "ops/conv/schedule.h"

#include <algorithm>
#include <limits>

#include "base/tensor.h"

namespace zeroskip {
namespace {

// Reading a weight panel from L2 costs about as much as this many pixels' work on it.
constexpr double kPanelPixels = 12.0;
// Two threads that write masks in one cache line wait for each other, once a pixel, for about as long as a
// panel's work at high sparsity takes (1x1, 128 -> 512 at 28x28 and 90 % zeros: 1.4x by channels, 1.65x by
// pixels; 3x3, where many panels share the wait, the reverse; Zen 4, November 2026).
constexpr double kSharedLinePanels = 1.0;
// What tiles of different sparsity may make the threads wait, as a share of the work that each begins last.
constexpr double kUnevenTiles = 0.25;
constexpr int64_t kCacheLineBytes = 64;

// Pixel-units of work on the critical path.
double critical_path(const ConvWork& work, int64_t lines, int64_t units) {
  const int64_t tiles = work.images * ceil_div(work.lines, lines), splits = ceil_div(work.units, units);
  const double tile_pixels = static_cast<double>(lines * work.pixels_per_line);
  const int64_t rounds = ceil_div(tiles * splits, work.num_threads);
  const double work_units = static_cast<double>(units) * (tile_pixels + kPanelPixels);
  double cost = static_cast<double>(rounds) * (work_units + work.preparation * tile_pixels);
  if (tiles > 1) cost *= 1.0 + kUnevenTiles / static_cast<double>(rounds);
  if (splits > 1 && units * work.mask_bytes_per_unit < kCacheLineBytes)
    cost *= 1.0 + kSharedLinePanels / static_cast<double>(work.panels);
  return cost;
}

}  // namespace

ConvSchedule schedule_conv(const ConvWork& work) {
  const int64_t most = std::clamp<int64_t>(work.max_tile_pixels / work.pixels_per_line, 1, work.lines);
  ConvSchedule best{most, work.units};
  if (work.num_threads <= 1) {
    best.lines_per_tile = ceil_div(work.lines, ceil_div(work.lines, most));  // tiles of equal size
    return best;
  }
  double best_cost = std::numeric_limits<double>::infinity();
  for (int64_t lines = best.lines_per_tile;;) {
    lines = ceil_div(work.lines, ceil_div(work.lines, lines));  // tiles of equal size
    for (int64_t units = work.units; units >= 1; --units) {
      const double cost = critical_path(work, lines, units);
      if (cost < best_cost) best_cost = cost, best = {lines, units};
    }
    if (lines == 1 || lines * work.pixels_per_line <= 16) break;
    --lines;
  }
  return best;
}

}  // namespace zeroskip
