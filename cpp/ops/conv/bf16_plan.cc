#include "ops/conv/bf16_plan.h"

#include <algorithm>
#include <sstream>

#include "base/memory.h"
#include "kernels/lookup.h"
#include "ops/conv/schedule.h"
#include "ops/shapes.h"

namespace zeroskip {
namespace {

constexpr int64_t kSlabBlocks = kSlab / 16;
constexpr int64_t kPanelBytes = int64_t{32} << 10;   // of rows that are in L1 together
constexpr int64_t kInputBytes = int64_t{256} << 10;  // of a tile's input, half of it at most as lists
constexpr int64_t kMostTilePixels = 392, kFewestTilePixels = 48;
// Up to so many pixels weights are read for the first time by every other one: those of zeros then need not be at all.
constexpr int64_t kFewPixels = 4;
constexpr int64_t kBytes = traits(DataType::kBf16).bytes;
constexpr int64_t kBlock = traits(DataType::kBf16).channel_block;
// Where lists and dense tile took the same time on recorded activations, by kind of layer (ResNet-50, one thread of a
// Zen 4, November 2026, with kernels of the same inner loops).
constexpr double kTapsCrossover = 0.86, kStridedTapsCrossover = 0.69, kPointCrossover = 0.77;

ConvGeometry read_geometry(const StepSpec& step, const BuildContext& context) {
  const TensorSpec& x = context.input(step, 0);
  const TensorSpec& y = context.output(step, 0);
  const ConstantView* weight = step.find_constant("weight");
  check(weight != nullptr, "constant 'weight' is missing");
  if (step.op == "bf16_linear") {
    const ConvGeometry g = make_linear_geometry(x, y, *weight);
    check(x.layout == Layout::kNhwc || g.c % 2 == 0, "a row input needs an even number of channels, got ",
          g.c);
    return g;
  }
  require_layout(x, Layout::kNhwc);
  require_layout(y, Layout::kNhwc);
  const ConvGeometry g = make_conv_geometry(step, x, y, *weight, false);
  return g.is_pointwise() ? flatten_pointwise(g) : g;
}

void check_residual(const StepSpec& step, const BuildContext& context) {
  if (step.inputs.size() < 2) return;
  const TensorSpec& residual = context.input(step, 1);
  const TensorSpec& y = context.output(step, 0);
  check(residual.layout == Layout::kNhwc && residual.layout == y.layout && residual.shape == y.shape,
        "residual must be nhwc and have the output's shape");
  check(residual.dtype == y.dtype || residual.offset != y.offset,
        "an output of another type than the residual cannot take its place");
}

Bf16SparsePlan plan_sparse(const Bf16ConvPlan& plan) {
  Bf16SparsePlan sparse{};
  sparse.spans = ceil_div(plan.even, kMostBf16Span);
  sparse.span_channels = std::min(plan.even, round_up(ceil_div(plan.even, sparse.spans), 8));
  sparse.spans = ceil_div(plan.even, sparse.span_channels);
  const int64_t fitting = kPanelBytes / (sparse.span_channels * kBf16RowBytes);
  sparse.tap_step = std::clamp<int64_t>(fitting, 1, plan.geometry.taps());
  return sparse;
}

ConvCut cut_work(const Bf16ConvPlan& plan) {
  const ConvGeometry& g = plan.geometry;
  ConvCut cut{};
  cut.cuts_columns = g.n == 1 && g.oh == 1;
  ConvWork work{};
  work.images = g.n * plan.layout.groups;
  work.lines = cut.cuts_columns ? ceil_div(g.ow, 2) : g.oh;
  work.pixels_per_line = cut.cuts_columns ? 2 : g.ow;
  work.max_tile_pixels =
      std::clamp(kInputBytes / (plan.layout.in * g.sh * g.sw * kBytes), kFewestTilePixels, kMostTilePixels);
  work.units = plan.layout.slabs();
  work.mask_bytes_per_unit = kSlab * kBytes;  // of outputs: whole cache lines
  work.panels = plan.sparse.spans * g.taps();
  work.num_threads = plan.num_threads;
  const ConvSchedule schedule = schedule_conv(work);
  cut.row_tile = cut.cuts_columns ? 1 : schedule.lines_per_tile;
  cut.column_tile = cut.cuts_columns ? 2 * schedule.lines_per_tile : g.ow;
  cut.count_tasks(g, plan.layout.blocks(), schedule.units_per_task * kSlabBlocks);
  return cut;
}

Bf16Scratch measure_scratch(const Bf16ConvPlan& plan) {
  const int64_t rows = plan.cut.row_tile, columns = plan.cut.column_tile;
  const int64_t pointer = static_cast<int64_t>(sizeof(void*)), taps = plan.geometry.taps();
  const int64_t pairs = checked_product({rows, ceil_div(columns, 2)});
  const int64_t records =
      plan.is_single_tap()
          ? pairs
          : checked_product({plan.geometry.input_rows(rows), plan.geometry.input_columns(columns)});
  Bf16Scratch scratch{};
  scratch.pointers = checked_product({round_up(rows * columns, kBconvPixels), taps, pointer});
  if (plan.algorithm != ConvAlgorithm::kDense) {
    scratch.records = checked_product({records, plan.sparse.spans, plan.sparse.record_bytes()});
    scratch.pointers = std::max(scratch.pointers, checked_product({pairs, taps, plan.sparse.spans, pointer}));
    scratch.acc = checked_product({pairs, 2, plan.columns, static_cast<int64_t>(sizeof(float))});
  }
  scratch.records = round_up(scratch.records, kAlignment);
  scratch.pointers = round_up(scratch.pointers, kAlignment);
  return scratch;
}

double default_crossover(const ConvGeometry& g) {
  if (g.taps() == 1) return kPointCrossover;
  return g.sw > 1 ? kStridedTapsCrossover : kTapsCrossover;
}

}  // namespace

Bf16ConvPlan plan_bf16_conv(const StepSpec& step, const BuildContext& context) {
  check(step.inputs.size() == 1 || step.inputs.size() == 2, "takes x and an optional residual, got ",
        step.inputs.size(), " inputs");
  Bf16ConvPlan plan{};
  plan.geometry = read_geometry(step, context);
  check_residual(step, context);
  plan.num_threads = context.num_threads;
  plan.algorithm = read_algorithm(step, false);
  plan.layout = merge_groups(plan.geometry, kBlock);
  plan.even = round_up(plan.layout.in, 2);
  // As many as eight registers hold for each of two pixels, or, of fewer registers, four.
  const int64_t most = std::min(kSlab, context.kernels.lanes * 4);
  plan.columns = get_kernel<BdconvFn>(context.kernels, {.kind = "bdconv", .columns = std::max(kBlock, most)})
                     .columns.columns;
  plan.sparse = plan_sparse(plan);
  const ConvGeometry& g = plan.geometry;
  const bool has_few_pixels = g.n * g.oh * g.ow <= kFewPixels;
  if (has_few_pixels && plan.algorithm == ConvAlgorithm::kAuto) plan.algorithm = ConvAlgorithm::kSparse;
  plan.cut = cut_work(plan);
  plan.scratch = measure_scratch(plan);
  plan.crossover_density = step.get_float("crossover_density", default_crossover(g));
  return plan;
}

std::string to_text(const Bf16ConvPlan& plan) {
  const ConvGeometry& g = plan.geometry;
  std::ostringstream out;
  out << g.n << "x" << g.c << "x" << g.h << "x" << g.w << " -> " << g.o << "x" << g.oh << "x" << g.ow
      << ": kernel " << g.kh << "x" << g.kw << ", strides " << g.sh << "x" << g.sw << ", groups " << g.groups
      << " (" << plan.layout.groups << " of " << plan.layout.in << " -> " << plan.layout.out << ")\n";
  out << "algorithm: " << name_of(plan.algorithm);
  if (plan.algorithm == ConvAlgorithm::kAuto) out << ", sparse up to density " << plan.crossover_density;
  out << "\nsparse: lists of " << plan.sparse.span_channels << " channels, " << plan.sparse.tap_step
      << " taps at once\n";
  out << "tasks: " << plan.cut.tiles << " tiles of " << plan.cut.row_tile << "x" << plan.cut.column_tile
      << " pixels, " << plan.cut.block_splits << " ranges of " << plan.cut.block_step << " blocks; "
      << plan.num_threads << " threads\n";
  out << "scratch bytes: " << plan.scratch.thread() << " per thread\n";
  return out.str();
}

}  // namespace zeroskip
