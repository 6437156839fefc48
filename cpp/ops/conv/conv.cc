#include "ops/conv/conv.h"

#include <unistd.h>

#include <algorithm>
#include <limits>

#include "base/memory.h"
#include "ops/conv/prices.h"
#include "ops/conv/schedule.h"
#include "ops/ops.h"

namespace zeroskip {
namespace {

// Output pixels in one tile: enough to pay for reading a weight panel, few enough for the accumulators to
// stay in L2.
constexpr int64_t kPointTilePixels = 392;
constexpr int64_t kRowPairTilePixels = 448;
// Winograd's weights take four times the memory of the direct ones, beside them: a layer must gain this much,
// unless it has few.
constexpr double kWorthTheMemory = 0.75;

int64_t l1_bytes() {
  static const int64_t bytes = [] {
    const long reported = sysconf(_SC_LEVEL1_DCACHE_SIZE);
    return reported > 0 ? static_cast<int64_t>(reported) : int64_t{32} << 10;
  }();
  return bytes;
}

// Input channels per panel: three quarters of L1 at most, at most one 64-bit mask word, and panels of equal
// size.
int64_t choose_panel_channels(int64_t channels, int64_t blocks, int64_t taps, WeightStorage storage) {
  const int64_t row_bytes = blocks * kChannelBlock * taps * (storage == WeightStorage::kBf16 ? 2 : 4);
  const int64_t fit = std::clamp<int64_t>(l1_bytes() * 3 / 4 / row_bytes / 16 * 16, 16, kMostPanelChannels);
  const int64_t panels = ceil_div(channels, fit);
  return std::min(fit, round_up(ceil_div(channels, panels), 16));
}

ConvAlgorithm parse_algorithm(const std::string& text) {
  if (text == "auto") return ConvAlgorithm::kAuto;
  if (text == "sparse") return ConvAlgorithm::kSparse;
  if (text == "dense") return ConvAlgorithm::kDense;
  if (text == "winograd") return ConvAlgorithm::kWinograd;
  throw_error("algorithm must be auto, sparse, dense or winograd, got '", text, "'");
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

}  // namespace

Conv::Conv(const StepSpec& step, const BuildContext& context)
    : name_(step.name), kernels_(context.kernels), num_threads_(context.num_threads) {
  check(step.inputs.size() == 1 || step.inputs.size() == 2, "takes x and an optional residual, got ",
        step.inputs.size(), " inputs");
  const TensorSpec& x = context.input(step, 0);
  const TensorSpec& y = context.output(step, 0);
  check(y.layout == Layout::kNhwc, "output must be nhwc");
  input_is_nhwc_rows_ = x.layout == Layout::kRow && step.get_string("input_layout", "nchw") == "nhwc";
  const ConstantView* weight = step.find_constant("weight");
  check(weight != nullptr, "constant 'weight' is missing");
  geometry_ = make_conv_geometry(step, x, y, *weight, input_is_nhwc_rows_);
  if (step.inputs.size() == 2) {
    const TensorSpec& residual = context.input(step, 1);
    check(residual.layout == Layout::kNhwc && residual.shape == y.shape,
          "residual must have the output's shape and layout");
  }
  algorithm_ = parse_algorithm(step.get_string("algorithm", "auto"));
  const bool is_row = x.layout == Layout::kRow;
  const bool is_narrow = geometry_.c < kChannelBlock && geometry_.kw > 1;
  const bool can_gather = geometry_.groups == 1 && geometry_.dw == 1;
  check(!is_row || can_gather, "a row-layout input takes neither groups nor a horizontal dilation");
  gathers_input_ = can_gather && (is_row || (is_narrow && algorithm_ != ConvAlgorithm::kSparse));
  check(algorithm_ != ConvAlgorithm::kSparse || (x.masked && !is_row),
        "the sparse algorithm needs a masked nhwc input");
  if (algorithm_ == ConvAlgorithm::kAuto && (!x.masked || gathers_input_)) algorithm_ = ConvAlgorithm::kDense;
  const std::string activation = step.get_string("activation", "none");
  check(activation == "none" || activation == "fatrelu", "activation must be none or fatrelu, got '",
        activation, "'");
  has_activation_ = activation == "fatrelu";
  max_value_ = static_cast<float>(step.get_float("max_value", std::numeric_limits<double>::infinity()));

  pack_residual(step, context);
  uses_row_pairs_ = geometry_.kw == 3 && geometry_.sw == 1 && geometry_.dw == 1 && geometry_.pad_left <= 2 &&
                    geometry_.pad_right <= 2;
  if (geometry_.is_pointwise() && !gathers_input_) geometry_ = flatten_pointwise(geometry_);
  full_tap_ = find_full_tap(geometry_);
  layout_ = merge_groups(geometry_);
  plan_winograd(step, context);
  pack_weights(step, context);
  plan_tiles();
  const int64_t per_block = kernels_.conv_tiling.vectors_per_block;
  const double vectors =
      static_cast<double>((uses_row_pairs_ ? 3 * max_pair_blocks_ : max_blocks_) * per_block);
  const double channels = static_cast<double>(panel_channels_);
  const auto& [few, many] = conv_prices(kernels_);
  crossover_density_ =
      step.get_float("crossover_density", many.crossover_density(channels, vectors, many.dense_fma));
  winograd_density_ =
      step.get_float("winograd_density", few.crossover_density(channels, vectors, winograd_fma_));
}

void Conv::pack_residual(const StepSpec& step, const BuildContext& context) {
  const ConvGeometry& g = geometry_;
  residual_pixels_ = g.n * g.oh * g.ow;
  if (step.find_constant("residual") == nullptr) return;
  check(step.inputs.size() == 1, "takes a residual as input or as constant, not both");
  check(!g.is_pointwise(), "a pointwise convolution takes no constant residual");  // its tiles cross images
  const ConstantView& map = step.get_constant("residual", {g.o, g.oh, g.ow});
  residual_pixels_ = g.oh * g.ow;
  residual_ = context.weights.get(map.name + "/map", [&] {
    const int64_t stride = round_up(g.o, kChannelBlock);
    AlignedFloats packed(static_cast<size_t>(checked_product({residual_pixels_, stride})));
    for (int64_t channel = 0; channel < g.o; ++channel)
      for (int64_t pixel = 0; pixel < residual_pixels_; ++pixel)
        packed.data()[pixel * stride + channel] =
            map.values[static_cast<size_t>(channel * residual_pixels_ + pixel)];
    return packed;
  });
}

void Conv::plan_winograd(const StepSpec& step, const BuildContext& context) {
  const std::string choice = step.get_string("winograd", "off");
  check(choice == "off" || choice == "auto", "winograd must be off or auto, got '", choice, "'");
  const bool fits = gathers_input_ ? PhaseImage::supports(geometry_) : WinogradConv::supports(geometry_);
  const bool is_forced = algorithm_ == ConvAlgorithm::kWinograd;
  check(
      fits || !is_forced,
      "the winograd algorithm takes ungrouped 3x3 convolutions of stride 1 and 16 channels or more, and the "
      "first layer's of 5x5 to 8x8 and stride 2");
  if (!fits || algorithm_ == ConvAlgorithm::kSparse || (choice == "off" && !is_forced)) return;
  if (gathers_input_) phases_.emplace(geometry_);
  const ConvGeometry form = phases_ ? phases_->geometry() : geometry_;
  winograd_fma_ = WinogradConv::cost(form, num_threads_) / static_cast<double>(geometry_.macs());
  const double limit = (phases_ ? 1.0 : kWorthTheMemory) * conv_prices(kernels_).many.dense_fma;
  if (!is_forced && winograd_fma_ > limit) return;
  const ConstantView& weight = *step.find_constant("weight");
  const std::vector<float> arranged = phases_ ? phases_->kernel(weight.values.data()) : std::vector<float>{};
  const float* values = phases_ ? arranged.data() : weight.values.data();
  const std::string key = phases_ ? weight.name + phases_->form() : weight.name;
  winograd_ = std::make_unique<WinogradConv>(form, values, key, context);
}

void Conv::pack_weights(const StepSpec& step, const BuildContext& context) {
  const ConstantView& weight = *step.find_constant("weight");
  // One constant may serve convolutions of different grouping.
  const std::string form = "/" + std::to_string(layout_.groups) + "x" + std::to_string(layout_.in) + "x" +
                           std::to_string(layout_.out);
  if (!gathers_input_) storage_ = choose_weight_storage(step, weight.values);  // a few channels' are small
  const std::string key = weight.name + form + (gathers_input_ ? "/rows" : "/slabs");
  weights_ = shared_weights(context, key, storage_, [&] {
    if (!gathers_input_) return pack_conv_weights(geometry_, layout_, weight.values.data(), num_threads_);
    // [tap row][kw * c]: reorder (o, c, kh, kw) to (o, kw * c, kh, 1) and pack that.
    std::vector<float> rows(weight.values.size());
    const ConvGeometry& g = geometry_;
    for (int64_t o = 0; o < g.o; ++o)
      for (int64_t c = 0; c < g.c; ++c)
        for (int64_t ky = 0; ky < g.kh; ++ky)
          for (int64_t kx = 0; kx < g.kw; ++kx)
            rows[static_cast<size_t>(((o * g.kw + kx) * g.c + c) * g.kh + ky)] =
                weight.values[static_cast<size_t>(((o * g.c + c) * g.kh + ky) * g.kw + kx)];
    ConvGeometry as_rows = g;
    as_rows.c = g.kw * g.c;
    as_rows.kw = 1;
    GroupLayout row_layout = layout_;
    row_layout.in = as_rows.c;
    return pack_conv_weights(as_rows, row_layout, rows.data(), num_threads_);
  });
  zeros_ = context.weights.get("zeros/" + std::to_string(layout_.in),
                               [&] { return AlignedFloats(static_cast<size_t>(layout_.in)); });
  const ConstantView* bias = step.find_constant("bias");
  const auto per_channel = [&](const ConstantView* constant, const char* role) {
    check(!constant || constant->values.size() == static_cast<size_t>(geometry_.o), role,
          " must hold one value per output channel");
    // The last part keeps what is absent apart from a constant called "zeros".
    return context.weights.get(constant ? constant->name + form + "/padded" : form + "/absent", [&] {
      return pack_per_channel(layout_, constant ? constant->values.data() : nullptr, 0.0f);
    });
  };
  bias_ = per_channel(bias, "bias");
  if (has_activation_) {
    check(step.find_constant("thresholds") != nullptr, "activation fatrelu needs the constant 'thresholds'");
    thresholds_ = per_channel(step.find_constant("thresholds"), "thresholds");
  }
}

void Conv::plan_tiles() {
  const ConvGeometry& g = geometry_;
  const ConvTiling& tiling = kernels_.conv_tiling;
  const int64_t blocks = layout_.blocks();
  max_blocks_ = kernel_blocks(tiling.point_blocks, blocks, storage_);
  max_pair_blocks_ = kernel_blocks(tiling.row_pair_blocks, blocks, storage_);
  dense_blocks_ = std::min(tiling.dense_blocks, blocks);
  panel_channels_ = uses_row_pairs_ ? choose_panel_channels(layout_.in, max_pair_blocks_, 3, storage_)
                                    : choose_panel_channels(layout_.in, max_blocks_, 1, storage_);
  const int64_t unit =
      uses_row_pairs_ ? tiling.row_pair_blocks : std::max(tiling.point_blocks, tiling.dense_blocks);
  cuts_columns_ = g.n == 1 && g.oh == 1 && !uses_row_pairs_;  // one long row
  const int64_t rows_per_line = uses_row_pairs_ ? 2 : 1;
  ConvWork work{};
  work.images = g.n * layout_.groups;
  work.lines = cuts_columns_ ? g.ow : ceil_div(g.oh, rows_per_line);
  work.pixels_per_line = cuts_columns_ ? 1 : g.ow * rows_per_line;
  work.max_tile_pixels = uses_row_pairs_ ? kRowPairTilePixels : kPointTilePixels;
  work.units = ceil_div(blocks, unit);
  work.mask_bytes_per_unit = unit * static_cast<int64_t>(sizeof(uint16_t));
  work.panels = ceil_div(layout_.in, panel_channels_) * (uses_row_pairs_ ? g.kh : g.taps());
  work.num_threads = num_threads_;
  const ConvSchedule schedule = schedule_conv(work);
  row_tile_ = cuts_columns_ ? 1 : schedule.lines_per_tile * rows_per_line;
  column_tile_ = cuts_columns_ ? schedule.lines_per_tile : g.ow;
  tiles_ = cuts_columns_ ? ceil_div(g.ow, column_tile_) : g.n * ceil_div(g.oh, row_tile_);
  block_step_ = schedule.units_per_task * unit;
  block_splits_ = ceil_div(blocks, block_step_);
}

Conv::Task Conv::task_at(int64_t index) const {
  const int64_t split = index % block_splits_;
  const int64_t group = index / block_splits_ % layout_.groups;
  const int64_t tile = index / block_splits_ / layout_.groups;
  const ConvGeometry& g = geometry_;
  Task task{};
  if (cuts_columns_) {
    task.tile = {0, 0, 1, tile * column_tile_, std::min(column_tile_, g.ow - tile * column_tile_)};
  } else {
    const int64_t bands = ceil_div(g.oh, row_tile_), oy = tile % bands * row_tile_;
    task.tile = {tile / bands, oy, std::min(row_tile_, g.oh - oy), 0, g.ow};
  }
  task.group = group;
  task.first_block = split * block_step_;
  task.last_block = std::min(layout_.blocks(), task.first_block + block_step_);
  return task;
}

Conv::Operands Conv::operands(const RunContext& context) const {
  const Tensor& x = context.inputs[0];
  const Tensor& y = context.outputs[0];
  Operands operands{};
  operands.x = x.data;
  operands.x_stride = x.spec->pixel_stride;
  operands.mask = x.mask;
  operands.mask_stride = x.spec->mask_stride();
  if (context.inputs.size() == 2) {
    operands.residual = context.inputs[1].data;
    operands.residual_stride = context.inputs[1].spec->pixel_stride;
  } else if (residual_) {
    operands.residual = residual_->data();
    operands.residual_stride = round_up(geometry_.o, kChannelBlock);
  }
  operands.y = y.data;
  operands.y_stride = y.spec->pixel_stride;
  operands.y_mask = y.mask;
  operands.y_mask_stride = y.spec->mask_stride();
  return operands;
}

bool Conv::takes_sparse(const Operands& operands, const Tile& tile) const {
  if (algorithm_ != ConvAlgorithm::kAuto) return algorithm_ == ConvAlgorithm::kSparse;
  const ConvGeometry& g = geometry_;
  int64_t first_pixel, pixels;
  if (g.h == 1 && g.is_pointwise()) {
    first_pixel = tile.ox;
    pixels = tile.columns;
  } else {
    const int64_t first = std::clamp<int64_t>(g.input_row(tile.oy, 0), 0, g.h);
    const int64_t last = std::clamp<int64_t>(g.input_row(tile.oy + tile.rows - 1, g.kh - 1) + 1, first, g.h);
    first_pixel = (tile.n * g.h + first) * g.w;
    pixels = (last - first) * g.w;
  }
  const int64_t nnz =
      kernels_.f32_mask_popcount(pixels, ceil_div(g.c, kChannelBlock),
                                 operands.mask + first_pixel * operands.mask_stride, operands.mask_stride);
  return static_cast<double>(nnz) <= crossover_density_ * static_cast<double>(pixels * g.c);
}

bool Conv::takes_winograd(const Operands& operands) const {
  if (!winograd_ || algorithm_ != ConvAlgorithm::kAuto) return winograd_ != nullptr;
  const ConvGeometry& g = geometry_;
  const int64_t pixels = g.n * g.h * g.w;
  const int64_t nnz =
      kernels_.f32_mask_popcount(pixels, ceil_div(g.c, kChannelBlock), operands.mask, operands.mask_stride);
  return static_cast<double>(nnz) > winograd_density_ * static_cast<double>(pixels * g.c);
}

void Conv::run_winograd(const RunContext& context, const Operands& operands) const {
  WinogradConv::Operands where{.x = operands.x,
                               .x_stride = operands.x_stride,
                               .bias = bias_->data(),
                               .residual_pixels = residual_pixels_,
                               .epilogue = epilogue_at(operands, Task{}, 0, 0)};
  std::span<std::byte> scratch = context.scratch;
  if (phases_) {
    float* image = reinterpret_cast<float*>(scratch.data());
    phases_->fill(plain_input(context), image, context.num_threads);
    where.x = image, where.x_stride = kChannelBlock;
    scratch = scratch.subspan(static_cast<size_t>(phases_->bytes()));
  }
  winograd_->run(where, scratch);
}

int64_t Conv::dense_taps() const { return gathers_input_ ? geometry_.kh : geometry_.taps(); }

int64_t Conv::dense_channels() const { return gathers_input_ ? geometry_.kw * geometry_.c : layout_.in; }

const std::byte* Conv::weights_at(int64_t group, int64_t block, int64_t tap, int64_t channel) const {
  const int64_t slab = group * layout_.slabs() + block * kChannelBlock / kSlab;
  const int64_t row = (slab * dense_taps() + tap) * dense_channels() + channel;
  return weights_->at(row * kSlab + block * kChannelBlock % kSlab);
}

const float* Conv::bias_at(int64_t group, int64_t block) const {
  return bias_->data() + group * layout_.slabs() * kSlab + block * kChannelBlock;
}

// The epilogue for the tile's output pixels from `row` on; acc, pixels and blocks are left to the caller.
ConvEpilogueArgs Conv::epilogue_at(const Operands& operands, const Task& task, int64_t block,
                                   int64_t row) const {
  const Tile& tile = task.tile;
  const int64_t pixel = (tile.n * geometry_.oh + tile.oy + row) * geometry_.ow + tile.ox;
  const int64_t channel = task.group * layout_.out + block * kChannelBlock;
  ConvEpilogueArgs args{};
  if (operands.residual)
    args.residual = operands.residual + pixel % residual_pixels_ * operands.residual_stride + channel;
  args.residual_stride = operands.residual_stride;
  if (has_activation_) args.thresholds = thresholds_->data() + (bias_at(task.group, block) - bias_->data());
  args.max_value = max_value_;
  args.y = operands.y + pixel * operands.y_stride + channel;
  args.y_stride = operands.y_stride;
  if (operands.y_mask) args.mask = operands.y_mask + pixel * operands.y_mask_stride + channel / kChannelBlock;
  args.mask_stride = operands.y_mask_stride;
  return args;
}

void Conv::finish(const Operands& operands, const Task& task, int64_t block, int64_t blocks,
                  const float* acc) const {
  ConvEpilogueArgs args = epilogue_at(operands, task, block, 0);
  args.pixels = task.tile.pixels();
  args.blocks = blocks;
  args.acc = acc;
  args.acc_stride = blocks * kChannelBlock;
  kernels_.f32_conv_epilogue(args);
}

void Conv::run(const RunContext& context) const {
  Operands where = operands(context);
  if (takes_winograd(where)) return run_winograd(context, where);
  if (gathers_input_) {
    gather_input(context);
    where.x = reinterpret_cast<const float*>(context.scratch.data());
  }
  parallel_for(context.num_threads, tiles_ * layout_.groups * block_splits_, [&](int64_t index, int thread) {
    const Task task = task_at(index);
    const ThreadScratch scratch = thread_scratch(context, thread);
    if (takes_sparse(where, task.tile))
      run_sparse(where, task, scratch);
    else
      run_dense(where, task, scratch);
  });
}

std::string Conv::kernel_name() const {
  const auto wide = [](const std::string& base, int64_t blocks) {
    return base + std::to_string(blocks * kChannelBlock);
  };
  const std::string dense = wide("f32_dconv_ukernel_12x", dense_blocks_);
  const std::string sparse =
      zeroskip::kernel_name(uses_row_pairs_ ? wide("f32_spconv3row_ukernel_2x", max_pair_blocks_)
                                            : wide("f32_spconv_ukernel_2x", max_blocks_),
                            expands_panels() ? WeightStorage::kFloat32 : storage_);
  if (winograd_ && algorithm_ != ConvAlgorithm::kAuto) return winograd_->kernel_name();
  if (algorithm_ == ConvAlgorithm::kDense) return gathers_input_ ? dense + " (gathered rows)" : dense;
  return algorithm_ == ConvAlgorithm::kSparse
             ? sparse
             : sparse + " | " + dense + (winograd_ ? " | " + winograd_->kernel_name() : "");
}

std::unique_ptr<Op> make_conv(const StepSpec& step, const BuildContext& context) {
  return std::make_unique<Conv>(step, context);
}

}  // namespace zeroskip
