#include "ops/winograd_schedule.h"

#include <unistd.h>

#include <algorithm>
#include <limits>

#include "kernels/spconv/spconv.h"
#include "kernels/winograd/winograd.h"
#include "runtime/tensor.h"

namespace zeroskip {
namespace {

// Measured on Emerald Rapids, AVX-512, November 2026, one core at 75 G multiply-accumulates/s: a tile and
// channel takes 6 ns in either transform, memory beyond L2 gives about 20 GB/s.
constexpr double kGemmMac = 0.95;        // of the matrix products, operands in L2
constexpr double kPanelTiles = 1.0;      // reading a weight panel from L2 costs about one tile's work on it
constexpr double kInputTransform = 450;  // one tile and channel
constexpr double kOutputTransform = 450;
constexpr double kPerByteBeyondL2 = 3.5;
constexpr double kTask = 20e3;  // handing out a task, filling the caches
constexpr double kL2Share = 0.75;
constexpr int64_t kFloat = sizeof(float);

double l2_bytes() {
  static const double bytes = [] {
    const long reported = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return static_cast<double>(reported > 0 ? reported : long{1} << 20);
  }();
  return bytes;
}

// Of the thread with the most tasks.
double critical_path(const WinogradWork& work, int64_t tiles, int64_t slabs) {
  const bool shares_input = slabs < work.slabs;
  const int64_t tasks = ceil_div(work.tiles, tiles) * ceil_div(work.slabs, slabs);
  const double rounds = static_cast<double>(ceil_div(tasks, work.num_threads));
  const double in = static_cast<double>(work.channels), out = static_cast<double>(slabs * kSlab);
  const double own = static_cast<double>(tiles), all = static_cast<double>(work.tiles);

  const double weight_bytes = kWinogradMatrices * in * out * kFloat;
  const double v_bytes = kWinogradMatrices * own * in * kFloat,
               m_bytes = kWinogradMatrices * own * out * kFloat;
  const double l2 = kL2Share * l2_bytes();
  const double weight_reads = weight_bytes + v_bytes + m_bytes <= l2 ? 1.0 : rounds;
  double beyond = weight_reads * weight_bytes;
  if (v_bytes + m_bytes > l2) beyond += rounds * 2 * (v_bytes + m_bytes);
  if (shares_input) beyond += rounds * v_bytes;

  const double products = kWinogradMatrices * (own + kPanelTiles) * in * out * kGemmMac;
  double cost = rounds * (kTask + products + own * out * kOutputTransform) + beyond * kPerByteBeyondL2;
  cost += kInputTransform * in * (shares_input ? all / work.num_threads : rounds * own);
  return cost;
}

}  // namespace

WinogradSchedule schedule_winograd(const WinogradWork& work) {
  WinogradSchedule best{work.tiles, work.slabs, std::numeric_limits<double>::infinity()};
  for (int64_t splits = 1; splits <= std::min<int64_t>(work.slabs, 4 * work.num_threads); ++splits)
    for (int64_t blocks = 1; blocks <= work.tiles; ++blocks) {
      const int64_t tiles = ceil_div(work.tiles, blocks), slabs = ceil_div(work.slabs, splits);
      const double cost = critical_path(work, tiles, slabs);
      if (cost < best.cost) best = {tiles, slabs, cost};
      if (tiles <= 4) break;
    }
  return best;
}

}  // namespace zeroskip
