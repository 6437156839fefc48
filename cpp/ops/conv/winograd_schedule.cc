#include "ops/conv/winograd_schedule.h"

#include <unistd.h>

#include <algorithm>
#include <limits>

#include "kernels/spconv/spconv.h"
#include "kernels/winograd/winograd.h"

namespace zeroskip {
namespace {

// In multiply-accumulates of the sparse kernel, as the other costs in conv.cc. Fitted to layers of ResNet-18
// and VGG-16 cut in 4 to 8 ways each (Emerald Rapids, AVX-512, 2 threads, November 2026).
constexpr double kGemmMac = 0.75;        // of the matrix products
constexpr double kPanelTiles = 1.0;      // starting on a weight panel costs about one tile's work on it
constexpr double kInputTransform = 350;  // one tile and channel
constexpr double kOutputTransform = 350;
constexpr double kPerWeightByte = 4.0;   // from L3 or memory: between what the two were seen to take
constexpr double kNotOverlapped = 0.3;   // of the shorter of computing and reading weights
constexpr double kPerSpilledByte = 3.0;  // of V and M, written or read
constexpr double kTask = 50e3;           // handing it out, filling the caches
constexpr double kSharedLines = 1.15;    // tasks of the same tiles write mask words in the same cache lines
constexpr double kL2Share = 0.75;        // what V and M may take
constexpr int64_t kFloat = sizeof(float);

double l2_bytes() {
  static const double bytes = [] {
#if defined(_SC_LEVEL2_CACHE_SIZE)  // glibc names it, others do not
    const long reported = sysconf(_SC_LEVEL2_CACHE_SIZE);
#else
    const long reported = 0;
#endif
    return static_cast<double>(reported > 0 ? reported : long{1} << 20);
  }();
  return bytes;
}

// Of the thread with the most tasks.
double critical_path(const WinogradWork& work, int64_t tiles, int64_t slabs) {
  const int64_t tasks = ceil_div(work.tiles, tiles) * ceil_div(work.slabs, slabs);
  const double rounds = static_cast<double>(ceil_div(tasks, work.num_threads));
  const double in = static_cast<double>(work.channels), out = static_cast<double>(slabs * kSlab);
  const double own = static_cast<double>(tiles), l2 = kL2Share * l2_bytes();
  const double weight_bytes = kWinogradMatrices * in * out * kFloat;
  const double vm_bytes = kWinogradMatrices * own * (in + out) * kFloat;

  const double products = kWinogradMatrices * (own + kPanelTiles) * in * out * kGemmMac;
  const double stays = weight_bytes + vm_bytes <= l2 ? rounds : 1.0;  // weights: read by the first task only
  const double weights = weight_bytes / stays * kPerWeightByte;
  const double spilled = vm_bytes > l2 ? 2 * vm_bytes * kPerSpilledByte : 0.0;
  const double transforms = own * (in * kInputTransform + out * kOutputTransform);
  const double task = kTask + std::max(products, weights) + kNotOverlapped * std::min(products, weights) +
                      spilled + transforms;
  return rounds * task * (slabs < work.slabs ? kSharedLines : 1.0);
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

bool supports_winograd(const ConvGeometry& g) {
  const bool is_3x3 = g.kh == 3 && g.kw == 3 && g.sh == 1 && g.sw == 1 && g.dh == 1 && g.dw == 1;
  return is_3x3 && g.groups == 1 && g.c >= kChannelBlock && g.o >= kChannelBlock;
}

WinogradPlan plan_winograd(const ConvGeometry& g, int num_threads) {
  WinogradPlan plan{};
  plan.geometry = g;
  plan.outputs = winograd_outputs(static_cast<int>(g.kh));
  plan.tile_rows = ceil_div(g.oh, plan.outputs);
  plan.tile_columns = ceil_div(g.ow, plan.outputs);
  plan.work = {.tiles = g.n * plan.tile_rows * plan.tile_columns,
               .channels = round_up(g.c, kChannelBlock),
               .slabs = ceil_div(g.o, kSlab),
               .num_threads = num_threads};
  plan.schedule = schedule_winograd(plan.work);
  return plan;
}

}  // namespace zeroskip
