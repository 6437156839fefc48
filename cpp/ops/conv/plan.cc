#include "ops/conv/plan.h"

#include <unistd.h>

#include <algorithm>

#include "base/memory.h"
#include "kernels/lookup.h"
#include "ops/conv/prices.h"
#include "ops/conv/schedule.h"
#include "ops/packed_weights.h"

namespace zeroskip {
namespace {

// Output pixels in one tile: enough to pay for reading a weight panel, few enough for the accumulators to
// stay in L2.
constexpr int64_t kPointTilePixels = 392;
constexpr int64_t kRowPairTilePixels = 448;
// Weights of as many taps as stay in L2 beside the activations are used for the whole tile before the next
// ones.
constexpr int64_t kWeightBytesInL2 = int64_t{512} << 10;
// Winograd's weights take four times the memory of the direct ones, beside them: a layer must come down to this
// much of its time, unless it has few. SqueezeNet's last 3x3 layer (64 to 256 channels, 13x13) is estimated at
// .78 and takes .64 to .68 (Zen 3, AVX2, 1 and 2 threads, November 2026).
constexpr double kWorthTheMemory = 0.8;
constexpr int64_t kFloat = sizeof(float);

int64_t l1_bytes() {
  static const int64_t bytes = [] {
#if defined(_SC_LEVEL1_DCACHE_SIZE)  // glibc names it, others do not
    const long reported = sysconf(_SC_LEVEL1_DCACHE_SIZE);
#else
    const long reported = 0;
#endif
    return reported > 0 ? static_cast<int64_t>(reported) : int64_t{32} << 10;
  }();
  return bytes;
}

// Input channels per panel: three quarters of L1 at most, at most one 64-bit mask word, and panels of equal
// size.
int64_t choose_panel_channels(int64_t channels, int64_t blocks, int64_t taps, DataType weight) {
  const int64_t row_bytes = blocks * kChannelBlock * taps * traits(weight).bytes;
  const int64_t fit = std::clamp<int64_t>(l1_bytes() * 3 / 4 / row_bytes / 16 * 16, 16, kMostPanelChannels);
  const int64_t panels = ceil_div(channels, fit);
  return std::min(fit, round_up(ceil_div(channels, panels), 16));
}

// A tap whose input lies inside the image for every output pixel, or -1.
int64_t find_full_tap(const ConvGeometry& g) {
  for (int64_t tap = 0; tap < g.taps(); ++tap) {
    int64_t first, last;
    g.valid_columns(tap % g.kw, &first, &last);
    const bool rows_inside = g.input_row(0, tap / g.kw) >= 0 && g.input_row(g.oh - 1, tap / g.kw) < g.h;
    if (first == 0 && last == g.ow && rows_inside) return tap;
  }
  return -1;
}

// The layer as the step describes it: geometry, input and the algorithms that are left to choose from.
ConvPlan read_step(const StepSpec& step, const BuildContext& context) {
  check(step.inputs.size() == 1 || step.inputs.size() == 2, "takes x and an optional residual, got ",
        step.inputs.size(), " inputs");
  const TensorSpec& x = context.input(step, 0);
  const TensorSpec& y = context.output(step, 0);
  check(y.layout == Layout::kNhwc, "output must be nhwc");
  const bool is_row = x.layout == Layout::kRow;
  const bool is_nhwc_rows = is_row && step.get_string("input_layout", "nchw") == "nhwc";
  const ConstantView* weight = step.find_constant("weight");
  check(weight != nullptr, "constant 'weight' is missing");

  ConvPlan plan{};
  plan.geometry = make_conv_geometry(step, x, y, *weight, is_nhwc_rows);
  plan.input = is_nhwc_rows ? ConvInput::kNhwcRows : is_row ? ConvInput::kNchwRows : ConvInput::kPixels;
  plan.num_threads = context.num_threads;
  if (step.inputs.size() == 2) {
    const TensorSpec& residual = context.input(step, 1);
    check(residual.layout == Layout::kNhwc && residual.shape == y.shape,
          "residual must have the output's shape and layout");
  }
  plan.algorithm = read_algorithm(step, true);
  const ConvGeometry& g = plan.geometry;
  const bool is_narrow = g.c < kChannelBlock && g.kw > 1, can_gather = g.groups == 1 && g.dw == 1;
  check(!is_row || can_gather, "a row-layout input takes neither groups nor a horizontal dilation");
  plan.gathers_input = can_gather && (is_row || (is_narrow && plan.algorithm != ConvAlgorithm::kSparse));
  check(plan.algorithm != ConvAlgorithm::kSparse || (x.masked && !is_row),
        "the sparse algorithm needs a masked nhwc input");
  const bool has_zeros_to_count = x.masked && !plan.gathers_input;
  if (plan.algorithm == ConvAlgorithm::kAuto && !has_zeros_to_count) plan.algorithm = ConvAlgorithm::kDense;
  return plan;
}

// Whether Winograd's algorithm is there to choose, and how it would go. Returns its cost per dense
// multiply-accumulate, 1 where it cannot be.
double plan_winograd(const StepSpec& step, const KernelTable& kernels, ConvPlan& plan) {
  const std::string choice = step.get_string("winograd", "off");
  check(choice == "off" || choice == "auto", "winograd must be off or auto, got '", choice, "'");
  const ConvGeometry& g = plan.geometry;
  const bool fits = plan.gathers_input ? PhaseImage::supports(g) : supports_winograd(g);
  const bool is_forced = plan.algorithm == ConvAlgorithm::kWinograd;
  check(
      fits || !is_forced,
      "the winograd algorithm takes ungrouped 3x3 convolutions of stride 1 and 16 channels or more, and the "
      "first layer's of 5x5 to 8x8 and stride 2");
  if (!fits || plan.algorithm == ConvAlgorithm::kSparse || (choice == "off" && !is_forced)) return 1.0;
  std::optional<PhaseImage> phases;
  if (plan.gathers_input) phases.emplace(g);
  const WinogradPlan winograd = plan_winograd(phases ? phases->geometry() : g, plan.num_threads);
  const double fma = winograd.cost() / static_cast<double>(g.macs());
  const double limit = (phases ? 1.0 : kWorthTheMemory) * conv_prices(kernels).many.dense_fma;
  if (!is_forced && fma > limit) return fma;
  plan.winograd = winograd;
  plan.phases = phases;
  return fma;
}

// Of the widest kernel that covers at most `most` blocks of 16 outputs.
int64_t widest_blocks(const KernelTable& kernels, const SparsePlan& sparse, int64_t most) {
  const KernelColumns wanted{.kind = sparse.kernel_kind(),
                             .input = DataType::kFloat32,
                             .weight = sparse.weight,
                             .columns = most * kChannelBlock};
  const int64_t columns = sparse.uses_row_pairs ? get_kernel<SpconvRowPairFn>(kernels, wanted).columns.columns
                                                : get_kernel<SpconvPointFn>(kernels, wanted).columns.columns;
  return columns / kChannelBlock;
}

SparsePlan plan_sparse(const ConvPlan& plan, const KernelTable& kernels) {
  const ConvTiling& tiling = kernels.conv_tiling;
  const ConvGeometry& g = plan.geometry;
  SparsePlan sparse{};
  // Of a single row half of each pair would be empty.
  sparse.uses_row_pairs =
      g.kw == 3 && g.sw == 1 && g.dw == 1 && g.pad_left <= 2 && g.pad_right <= 2 && g.oh > 1;
  const int64_t most = sparse.uses_row_pairs ? tiling.row_pair_blocks : tiling.point_blocks;
  // Kernels that expand fp16 as they go were slower than a panel that is expanded once per tile.
  sparse.expands_panels = plan.storage == DataType::kFp16;
  sparse.weight = sparse.expands_panels ? DataType::kFloat32 : plan.storage;
  sparse.blocks = widest_blocks(kernels, sparse, std::min(most, plan.layout.blocks()));
  sparse.panel_channels =
      choose_panel_channels(plan.layout.in, sparse.blocks, sparse.uses_row_pairs ? 3 : 1, sparse.weight);
  sparse.full_tap = find_full_tap(g);
  return sparse;
}

DensePlan plan_dense(const ConvPlan& plan, const ConvTiling& tiling) {
  const ConvGeometry& g = plan.geometry;
  DensePlan dense{};
  dense.blocks = std::min(tiling.dense_blocks, plan.layout.blocks());
  dense.taps = plan.gathers_input ? g.kh : g.taps();
  dense.channels = plan.gathers_input ? g.kw * g.c : plan.layout.in;
  dense.tap_step = std::clamp<int64_t>(kWeightBytesInL2 / (dense.channels * kSlab * kFloat), 1, dense.taps);
  return dense;
}

ConvCut cut_work(const ConvPlan& plan, const ConvTiling& tiling) {
  const ConvGeometry& g = plan.geometry;
  const bool in_pairs = plan.sparse.uses_row_pairs;
  const int64_t blocks = plan.layout.blocks(), rows_per_line = in_pairs ? 2 : 1;
  const int64_t unit = in_pairs ? tiling.row_pair_blocks : std::max(tiling.point_blocks, tiling.dense_blocks);
  ConvCut cut{};
  cut.cuts_columns = g.n == 1 && g.oh == 1 && !in_pairs;  // one long row
  ConvWork work{};
  work.images = g.n * plan.layout.groups;
  work.lines = cut.cuts_columns ? g.ow : ceil_div(g.oh, rows_per_line);
  work.pixels_per_line = cut.cuts_columns ? 1 : g.ow * rows_per_line;
  work.max_tile_pixels = in_pairs ? kRowPairTilePixels : kPointTilePixels;
  work.units = ceil_div(blocks, unit);
  work.mask_bytes_per_unit = unit * static_cast<int64_t>(sizeof(uint16_t));
  work.panels = ceil_div(plan.layout.in, plan.sparse.panel_channels) * (in_pairs ? g.kh : g.taps());
  work.num_threads = plan.num_threads;
  const ConvSchedule schedule = schedule_conv(work);
  cut.row_tile = cut.cuts_columns ? 1 : schedule.lines_per_tile * rows_per_line;
  cut.column_tile = cut.cuts_columns ? schedule.lines_per_tile : g.ow;
  cut.count_tasks(g, blocks, schedule.units_per_task * unit);
  return cut;
}

ConvScratch measure_scratch(const ConvPlan& plan) {
  const ConvGeometry& g = plan.geometry;
  const bool in_pairs = plan.sparse.uses_row_pairs, only_sparse = plan.algorithm == ConvAlgorithm::kSparse;
  const int64_t pixels = round_up(plan.cut.row_tile * plan.cut.column_tile, kDconvPixels);
  ConvScratch scratch{};
  if (plan.gathers_input) {
    const int64_t h = g.h + g.pad_top + g.pad_bottom, w = g.w + g.pad_left + g.pad_right;
    scratch.gathered = round_up(checked_product({g.n, h, w, g.c, kFloat}) + kArenaSlackBytes, kAlignment);
  }
  int64_t floats = pixels * std::max(plan.dense.blocks, in_pairs ? 0 : plan.sparse.blocks) * kChannelBlock;
  if (in_pairs && plan.algorithm != ConvAlgorithm::kDense)
    floats =
        std::max(floats, round_up(plan.cut.row_tile, 2) * (g.w + 2) * plan.sparse.blocks * kChannelBlock);
  scratch.acc = round_up(floats * kFloat, kAlignment);
  if (!only_sparse)
    scratch.pixel_list = round_up(checked_product({pixels, plan.dense.taps, sizeof(float*)}), kAlignment);
  int64_t rows = 0;
  if (plan.storage != DataType::kFloat32 && !only_sparse) rows = plan.dense.tap_step * plan.dense.channels;
  if (plan.sparse.expands_panels) rows = std::max(rows, 3 * kMostPanelChannels);
  scratch.expanded = checked_product({rows, kSlab, kFloat});
  return scratch;
}

}  // namespace

void ConvCut::count_tasks(const ConvGeometry& g, int64_t blocks, int64_t blocks_per_task) {
  tiles = cuts_columns ? ceil_div(g.ow, column_tile) : g.n * ceil_div(g.oh, row_tile);
  block_step = blocks_per_task;
  block_splits = ceil_div(blocks, block_step);
}

ConvAlgorithm read_algorithm(const StepSpec& step, bool knows_winograd) {
  const std::string text = step.get_string("algorithm", "auto");
  if (text == "auto") return ConvAlgorithm::kAuto;
  if (text == "sparse") return ConvAlgorithm::kSparse;
  if (text == "dense") return ConvAlgorithm::kDense;
  if (text == "winograd" && knows_winograd) return ConvAlgorithm::kWinograd;
  throw_error("algorithm must be ",
              knows_winograd ? "auto, sparse, dense or winograd" : "auto, sparse or dense", ", got '", text,
              "'");
}

ConvPlan plan_conv(const StepSpec& step, const BuildContext& context) {
  const ConvTiling& tiling = context.kernels.conv_tiling;
  ConvPlan plan = read_step(step, context);
  if (plan.geometry.is_pointwise() && !plan.gathers_input) plan.geometry = flatten_pointwise(plan.geometry);
  plan.layout = merge_groups(plan.geometry);
  const double winograd_fma = plan_winograd(step, context.kernels, plan);
  if (!plan.gathers_input)  // a few channels' weights are small
    plan.storage = choose_weight_storage(step, step.find_constant("weight")->values);
  plan.sparse = plan_sparse(plan, context.kernels);
  plan.dense = plan_dense(plan, tiling);
  plan.cut = cut_work(plan, tiling);
  plan.scratch = measure_scratch(plan);

  const int64_t accumulators = (plan.sparse.uses_row_pairs ? 3 : 1) * plan.sparse.blocks;
  const double vectors = static_cast<double>(accumulators * context.kernels.vectors_per_block());
  const double channels = static_cast<double>(plan.sparse.panel_channels);
  const auto& [few, many] = conv_prices(context.kernels);
  plan.crossover_density =
      step.get_float("crossover_density", many.crossover_density(channels, vectors, many.dense_fma));
  plan.winograd_density =
      step.get_float("winograd_density", few.crossover_density(channels, vectors, winograd_fma));
  return plan;
}

}  // namespace zeroskip
