#include "ops/conv/quantized_plan.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>
#include <vector>

#include "base/memory.h"
#include "kernels/lookup.h"
#include "kernels/qconv/quad_order.h"
#include "ops/conv/schedule.h"
#include "ops/requantize.h"
#include "ops/shapes.h"

namespace zeroskip {
namespace {

constexpr int64_t kPanelBytes = int64_t{20} << 10;  // of rows of weights: they share L1 with lists
constexpr int64_t kJoinedRows = 384;  // of a list: up to so many the taps of a kernel row share one
constexpr int64_t kInputBytes = int64_t{128} << 10;  // of a tile's input, a quarter of L2
constexpr int64_t kMostTilePixels = 392, kFewestTilePixels = 48;
constexpr int64_t kWeightBytes = int64_t{192} << 10;  // of expanded pairs
// Up to so many pixels only the weights of non-zeros are read: expanding all takes as long as this many uses.
constexpr int64_t kFewPixels = 4;
constexpr int64_t kMostCopiedChannels =
    64;                              // of a tap: its quads are few beside what going on to the next one takes
constexpr int kFewestByteLanes = 8;  // with fewer, pairs of 16 bits take less time
constexpr int64_t kSampledBlocks = 4;
constexpr double kMostWide = 0.7;  // likewise, with more of the quads wide

// Cycles for 64 outputs of a pixel: a channel of the dense tile and of a list, a visit of a list, and its making, per
// channel and at all. On AVX2 of the time stamp counter, with zeros that lie together (Zen 3, December 2026).
struct ChannelCycles {
  double dense, listed, visit, list, start;
};
constexpr ChannelCycles kPairCycles{2.4, 2.1, 60.0, 1.0, 0.0};
constexpr ChannelCycles kByteCycles{1.8, 2.1, 60.0, 1.0, 0.0};  // of quads that are not wide
constexpr double kWideCycles = 2.5;                             // dense, of those that are
// By count of instructions on Zen 4: a step for two pixels takes 8.3 cycles, and the dense tile one a channel.
constexpr ChannelCycles kQuadCycles{1.05, 1.05, 8.0, 0.25, 0.0};

void check_residual(const StepSpec& step, const BuildContext& context, const TensorSpec& y) {
  if (step.inputs.size() < 2) return;
  const TensorSpec& residual = context.input(step, 1);
  check(residual.layout == y.layout && residual.shape == y.shape,
        "residual must have the output's shape and layout");
}

void read_step(const StepSpec& step, const BuildContext& context, QuantizedConvPlan& plan) {
  const bool is_linear = step.op == "quantized_linear";
  const TensorSpec& x = context.input(step, 0);
  const TensorSpec& y = context.output(step, 0);
  const ConstantView* weight = step.find_constant("weight");
  check(weight != nullptr, "constant 'weight' is missing");
  plan.num_threads = context.num_threads;
  plan.algorithm = read_algorithm(step, false);
  plan.x_zero_point = static_cast<uint8_t>(get_zero_point(step, "x_zero_point"));
  if (is_linear) {
    plan.geometry = make_linear_geometry(x, y, *weight);
    plan.input = ConvInput::kPixels;
    plan.layout = merge_groups(plan.geometry, kSlab);
    return;
  }
  check(y.layout == Layout::kNhwc, "output must be nhwc");
  const bool is_row = x.layout == Layout::kRow;
  const bool is_nhwc_rows = is_row && step.get_string("input_layout", "nchw") == "nhwc";
  ConvGeometry& g = plan.geometry = make_conv_geometry(step, x, y, *weight, is_nhwc_rows);
  plan.input = is_nhwc_rows ? ConvInput::kNhwcRows : is_row ? ConvInput::kNchwRows : ConvInput::kPixels;
  const bool can_gather = g.groups == 1 && g.dw == 1;
  check(!is_row || can_gather, "a row-layout input takes neither groups nor a horizontal dilation");
  plan.gathers_input = can_gather && (is_row || (g.c < 16 && g.kw > 1));
  check(!is_row || plan.algorithm != ConvAlgorithm::kSparse, "the sparse algorithm needs an nhwc input");
  if (plan.gathers_input) plan.algorithm = ConvAlgorithm::kDense;
  if (g.is_pointwise() && !plan.gathers_input) g = flatten_pointwise(g);
  plan.layout = merge_groups(g, kSlab);
}

QuantizedSparsePlan plan_sparse(const QuantizedConvPlan& plan, bool y_is_row) {
  const ConvGeometry& g = plan.geometry;
  const int64_t in = plan.layout.in, most = kPanelBytes / kSlabRowBytes;
  QuantizedSparsePlan sparse{};
  sparse.joins_row = g.kw > 1 && g.kw <= kMostListedSpans && in * g.kw <= kJoinedRows;
  sparse.list_taps = sparse.joins_row ? g.kw : 1;
  sparse.lists = g.taps() / sparse.list_taps;
  sparse.panels = sparse.joins_row ? 1 : ceil_div(in, most);
  sparse.panel_channels = std::min(in, round_up(ceil_div(in, sparse.panels), 32));
  sparse.panels = ceil_div(in, sparse.panel_channels);
  sparse.list_step = std::clamp<int64_t>(most / (sparse.list_taps * sparse.panel_channels), 1, sparse.lists);
  const bool is_one_visit = sparse.panels == 1 && sparse.list_step == sparse.lists && !y_is_row;
  sparse.slab_step = is_one_visit ? std::max<int64_t>(1, most / (g.taps() * in)) : 1;
  return sparse;
}

// Share of the quads of blocks of 16 outputs some of whose sums may saturate (kernels/qconv/quad_order.h), of some blocks:
// it decides about time only.
double share_of_wide(const QuantizedConvPlan& plan, const QuantizedDensePlan& dense, const int8_t* weights) {
  const ConvGeometry& g = plan.geometry;
  const GroupLayout& layout = plan.layout;
  const int64_t in_original = g.c / g.groups, out_original = g.o / g.groups;
  const int64_t quads = ceil_div(dense.taps * dense.padded, 4), blocks = layout.groups * layout.blocks();
  const int64_t step = ceil_div(blocks, kSampledBlocks);
  std::vector<uint8_t> is_wide(static_cast<size_t>(ceil_div(blocks, step) * quads));
  std::vector<std::array<int, 2>> reach(static_cast<size_t>(2 * quads));  // of pairs: up and down
  for (int64_t o = 0; o < g.o; ++o) {
    const int64_t block = o / layout.out * layout.blocks() + o % layout.out / 16;
    if (block % step != 0) continue;
    std::fill(reach.begin(), reach.end(), std::array<int, 2>{});
    const int64_t first_in = o / out_original * in_original % layout.in;
    const int8_t* weight = weights + o * in_original * g.taps();
    for (int64_t c = 0; c < in_original; ++c)
      for (int64_t tap = 0; tap < g.taps(); ++tap, ++weight) {
        const int64_t row = plan.gathers_input ? tap * g.c + c : tap * layout.in + first_in + c;
        reach[static_cast<size_t>(row / 2)][*weight < 0] += std::abs(int{*weight});
      }
    for (size_t pair = 0; pair < reach.size(); ++pair)
      if (std::max(reach[pair][0], reach[pair][1]) > kMostReach)
        is_wide[static_cast<size_t>(block / step * quads) + pair / 2] = 1;
  }
  return static_cast<double>(std::count(is_wide.begin(), is_wide.end(), 1)) /
         static_cast<double>(is_wide.size());
}

void choose_products(const QuantizedConvPlan& plan, const ConstantView& weight, const KernelTable& kernels,
                     QuantizedDensePlan& dense) {
  dense.products = DenseProducts::kPairs;
  // A pixel that is read where it lies is followed by others' channels.
  if (!plan.gathers_input && plan.layout.in % 4 != 0) return;
  if (kernels.multiplies_quads) {
    dense.products = DenseProducts::kQuads;
  } else if (kernels.lanes >= kFewestByteLanes && dense.channels <= kMostOrderedChannels) {
    dense.wide = share_of_wide(plan, dense, weight.as<int8_t>());
    if (dense.wide <= kMostWide) dense.products = DenseProducts::kBytes;
  }
}

QuantizedDensePlan plan_dense(const QuantizedConvPlan& plan, const ConstantView& weight,
                              const KernelTable& kernels) {
  const ConvGeometry& g = plan.geometry;
  QuantizedDensePlan dense{};
  dense.taps = plan.gathers_input ? g.kh : g.taps();
  dense.channels = plan.gathers_input ? g.kw * g.c : plan.layout.in;
  dense.padded = round_up(dense.channels, 4);
  choose_products(plan, weight, kernels, dense);
  if (!dense.reads_bytes()) dense.padded = round_up(dense.channels, 2);
  dense.copies_windows = dense.products == DenseProducts::kBytes && dense.taps > 1 &&
                         dense.taps * dense.channels <= kMostOrderedChannels &&
                         (plan.gathers_input || plan.layout.in <= kMostCopiedChannels);
  if (dense.copies_windows) {
    dense.channels = dense.taps * dense.channels;
    dense.padded = round_up(dense.channels, 4);
    dense.taps = 1;
  }
  dense.tap_step = std::clamp<int64_t>(kWeightBytes / dense.tap_bytes(), 1, dense.taps);
  dense.columns = kernels.conv_tiling.dense_blocks * 16;
  return dense;
}

// What making a tile's lists, or widening it, takes of the time of one slab's products.
double preparation(const QuantizedConvPlan& plan) { return plan.is_single_tap() ? 0.6 : 0.2; }

ConvCut cut_work(const QuantizedConvPlan& plan) {
  const ConvGeometry& g = plan.geometry;
  ConvCut cut{};
  cut.cuts_columns = g.n == 1 && g.oh == 1;
  ConvWork work{};
  work.images = g.n * plan.layout.groups;
  work.lines = cut.cuts_columns ? g.ow : g.oh;
  work.pixels_per_line = cut.cuts_columns ? 1 : g.ow;
  const int64_t pixel_bytes = std::max(plan.layout.in * g.sh * g.sw * 4, plan.dense.window_bytes());
  work.max_tile_pixels = std::clamp(kInputBytes / pixel_bytes, kFewestTilePixels, kMostTilePixels);
  work.units = plan.layout.slabs();
  work.mask_bytes_per_unit = kSlab;  // of u8 outputs: a cache line
  work.panels = plan.sparse.panels * plan.sparse.lists;
  work.preparation = preparation(plan);
  work.num_threads = plan.num_threads;
  const ConvSchedule schedule = schedule_conv(work);
  cut.row_tile = cut.cuts_columns ? 1 : schedule.lines_per_tile;
  // Pairs of pixels do not reach across a tile's end.
  cut.column_tile = cut.cuts_columns ? std::min(round_up(schedule.lines_per_tile, 2), g.ow) : g.ow;
  cut.count_tasks(g, plan.layout.blocks(), schedule.units_per_task * kSlabBlocks);
  return cut;
}

QuantizedScratch measure_scratch(const QuantizedConvPlan& plan, bool y_is_row) {
  const ConvGeometry& g = plan.geometry;
  const int64_t pixels = round_up(plan.tile_pixels(), kQconvPixels);
  const int64_t rows = plan.is_single_tap() ? 1 : g.input_rows(plan.cut.row_tile);
  const int64_t columns = plan.is_single_tap() ? plan.tile_pixels() : g.input_columns(plan.cut.column_tile);
  const int64_t widened_pixel = (plan.gathers_input ? g.c : plan.dense.padded) * kShort;
  const int64_t copied_pixel = plan.gathers_input ? g.c : 0;
  int64_t input = checked_product({rows, columns, plan.dense.reads_bytes() ? copied_pixel : widened_pixel});
  if (plan.dense.copies_windows) input += checked_product({pixels, plan.dense.window_bytes()});
  int64_t pointers = checked_product({pixels, plan.dense.taps, static_cast<int64_t>(sizeof(void*))});
  const int64_t row_pairs = ceil_div(plan.cut.column_tile, 2), pairs = plan.cut.row_tile * row_pairs;
  if (plan.algorithm != ConvAlgorithm::kDense) {
    const int64_t of_rows = checked_product({rows, plan.sparse.joins_row ? row_pairs : columns});
    const int64_t lists = checked_product({plan.is_single_tap() ? pairs : of_rows, plan.sparse.panels});
    input = std::max(input, checked_product({lists, plan.sparse.record_bytes()}));
    const int64_t visits = checked_product({pairs, plan.sparse.lists, plan.sparse.panels});
    pointers = std::max(pointers, checked_product({lists + visits, static_cast<int64_t>(sizeof(void*))}));
  }
  QuantizedScratch scratch{};
  scratch.input = round_up(input + kArenaSlackBytes, kAlignment);
  scratch.pointers = round_up(pointers, kAlignment);
  scratch.acc = std::max(pixels, 2 * pairs) * kSlab * static_cast<int64_t>(sizeof(int32_t));
  scratch.weights =
      plan.dense.products == DenseProducts::kQuads ? 0 : plan.dense.tap_step * plan.dense.tap_bytes();
  scratch.y = y_is_row ? pixels * kSlab : 0;
  return scratch;
}

ChannelCycles cycles_of(const QuantizedDensePlan& dense) {
  switch (dense.products) {
    case DenseProducts::kPairs:
      return kPairCycles;
    case DenseProducts::kQuads:
      return kQuadCycles;
    case DenseProducts::kBytes:
      break;
  }
  ChannelCycles cycles = kByteCycles;
  cycles.dense += dense.wide * (kWideCycles - kByteCycles.dense);
  return cycles;
}

const char* name_of(DenseProducts products) {
  switch (products) {
    case DenseProducts::kPairs:
      return "pairs";
    case DenseProducts::kBytes:
      return "bytes";
    case DenseProducts::kQuads:
      break;
  }
  return "quads";
}

// Of few outputs a list is made for little use, and its kernel computes more than there are.
double default_crossover(const QuantizedConvPlan& plan, const KernelTable& kernels) {
  const auto slabs_of = [&](int64_t outputs) {
    return static_cast<double>(round_up(plan.layout.out, outputs)) / static_cast<double>(kSlab);
  };
  const auto rows = static_cast<double>(plan.sparse.list_taps * plan.sparse.panel_channels);
  const auto kernel_rows = static_cast<double>(plan.geometry.kh);
  // A joined list holds every pixel once for each tap of a row.
  const double uses = plan.is_single_tap() ? 1.0 : plan.sparse.joins_row ? kernel_rows / 2 : kernel_rows;
  const double dense = slabs_of(kernels.multiplies_quads ? 4 * kernels.lanes : 16),
               listed = slabs_of(4 * kernels.lanes);
  const ChannelCycles cycles = cycles_of(plan.dense);
  const double overhead = listed * cycles.visit / rows + (cycles.list + cycles.start / rows) / uses;
  return std::clamp((dense * cycles.dense - overhead) / (listed * cycles.listed), 0.0, 1.0);
}

}  // namespace

QuantizedConvPlan plan_quantized_conv(const StepSpec& step, const BuildContext& context) {
  check(step.inputs.size() == 1 || step.inputs.size() == 2, "takes x and an optional residual, got ",
        step.inputs.size(), " inputs");
  QuantizedConvPlan plan{};
  read_step(step, context, plan);
  check_residual(step, context, context.output(step, 0));
  plan.sparse = plan_sparse(plan, context.output(step, 0).layout == Layout::kRow);
  plan.dense = plan_dense(plan, *step.find_constant("weight"), context.kernels);
  const bool is_small = plan.geometry.n * plan.geometry.oh * plan.geometry.ow <= kFewPixels;
  if (plan.algorithm == ConvAlgorithm::kAuto && !plan.gathers_input && is_small)
    plan.algorithm = ConvAlgorithm::kSparse;  // weights of zeros are not even read
  if (plan.algorithm == ConvAlgorithm::kAuto && plan.x_zero_point != 0)
    plan.algorithm = ConvAlgorithm::kDense;  // what stands for zero is no zero
  plan.cut = cut_work(plan);
  plan.scratch = measure_scratch(plan, context.output(step, 0).layout == Layout::kRow);
  plan.crossover_density = step.get_float("crossover_density", default_crossover(plan, context.kernels));
  return plan;
}

std::string to_text(const QuantizedConvPlan& plan) {
  const ConvGeometry& g = plan.geometry;
  std::ostringstream out;
  out << g.n << "x" << g.c << "x" << g.h << "x" << g.w << " -> " << g.o << "x" << g.oh << "x" << g.ow
      << ": kernel " << g.kh << "x" << g.kw << ", strides " << g.sh << "x" << g.sw << ", groups " << g.groups
      << " (" << plan.layout.groups << " of " << plan.layout.in << " -> " << plan.layout.out << ")\n";
  out << "algorithm: " << name_of(plan.algorithm);
  if (plan.algorithm == ConvAlgorithm::kAuto) out << ", sparse up to density " << plan.crossover_density;
  out << (plan.gathers_input ? ", gathered" : "") << (plan.dense.copies_windows ? ", windows copied" : "")
      << "\n";
  out << "sparse: " << plan.sparse.lists << " lists of " << plan.sparse.list_taps << "x"
      << plan.sparse.panel_channels << " rows, " << plan.sparse.list_step << " at once\n";
  out << "dense: " << plan.dense.taps << " taps of " << plan.dense.channels << " channels, "
      << "in " << name_of(plan.dense.products);
  if (plan.dense.products == DenseProducts::kBytes) out << ", " << plan.dense.wide << " of them wide";
  if (plan.dense.products != DenseProducts::kQuads) out << ", " << plan.dense.tap_step << " at once";
  out << "\n";
  out << "tasks: " << plan.cut.tiles << " tiles of " << plan.cut.row_tile << "x" << plan.cut.column_tile
      << " pixels, " << plan.cut.block_splits << " ranges of " << plan.cut.block_step << " blocks; "
      << plan.num_threads << " threads\n";
  out << "scratch bytes: " << plan.scratch.thread() << " per thread\n";
  return out.str();
}

}  // namespace zeroskip
