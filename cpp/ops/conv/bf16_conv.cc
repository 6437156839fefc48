#include "ops/conv/bf16_conv.h"

#include <algorithm>

#include "ops/ops.h"
#include "ops/shapes.h"

namespace zeroskip {
namespace {

constexpr int64_t kSlabBlocks = kSlab / 16;

BconvEpilogueArgs advance_pixels(BconvEpilogueArgs args, int64_t pixels) {
  if (args.residual) args.residual += pixels * args.residual_stride;
  if (args.y) args.y += pixels * args.y_stride;
  if (args.float_y) args.float_y += pixels * args.y_stride;
  return args;
}

}  // namespace

Bf16Conv::Bf16Conv(const StepSpec& step, const BuildContext& context)
    : kernels_(context.kernels),
      plan_(plan_bf16_conv(step, context)),
      constants_(pack_bf16_constants(plan_, step, context)),
      sparse_(get_kernel<BspconvFn>(kernels_, {.kind = "bspconv", .columns = plan_.columns})),
      dense_(get_kernel<BdconvFn>(kernels_, {.kind = "bdconv", .columns = plan_.columns})) {}

Bf16Conv::Scratch Bf16Conv::thread_scratch(const RunContext& context, int thread) const {
  std::byte* records = context.scratch.data() + thread * plan_.scratch.thread();
  std::byte* pointers = records + plan_.scratch.records;
  return {records, pointers, reinterpret_cast<float*>(pointers + plan_.scratch.pointers)};
}

size_t Bf16Conv::scratch_bytes() const {
  return static_cast<size_t>(checked_product({plan_.num_threads, plan_.scratch.thread()}));
}

std::string Bf16Conv::kernel_name() const {
  if (plan_.algorithm == ConvAlgorithm::kDense) return dense_.name;
  if (plan_.algorithm == ConvAlgorithm::kSparse) return sparse_.name;
  return std::string(sparse_.name) + " | " + dense_.name;
}

std::optional<double> Bf16Conv::input_density(const RunContext& context) const {
  const Tensor& x = context.inputs[0];
  const bool is_map = x.spec->layout == Layout::kNhwc;
  const int64_t channels = is_map ? x.spec->c() : x.spec->shape.back();
  const int64_t pixels = x.spec->elements() / channels;
  const int64_t nnz = kernels_.bf16_count_values(x.as<Bf16>(), pixels, channels, pixel_stride_of(*x.spec));
  return static_cast<double>(nnz) / static_cast<double>(x.spec->elements());
}

void Bf16Conv::run(const RunContext& context) const {
  parallel_for(context.num_threads, plan_.tasks(), [&](int64_t index, int thread) {
    const ConvTask task = task_at(plan_.geometry, plan_.layout, plan_.cut, index);
    const Scratch scratch = thread_scratch(context, thread);
    if (is_sparse(context.inputs[0], task))
      run_sparse(context, task, scratch);
    else
      run_dense(context, task, scratch);
  });
}

bool Bf16Conv::is_sparse(const Tensor& x, const ConvTask& task) const {
  if (plan_.algorithm != ConvAlgorithm::kAuto) return plan_.algorithm == ConvAlgorithm::kSparse;
  const PixelRange range = input_pixels(plan_.geometry, task.tile);
  const int64_t channels = plan_.layout.in, stride = pixel_stride_of(*x.spec);
  const Bf16* first = x.as<Bf16>() + range.first * stride + task.group * channels;
  const int64_t nnz = kernels_.bf16_count_values(first, range.count, channels, stride);
  return static_cast<double>(nnz) <= plan_.crossover_density * static_cast<double>(range.count * channels);
}

const Bf16* Bf16Conv::input_pixel(const Tensor& x, const ConvTask& task, int64_t iy, int64_t ix) const {
  const ConvGeometry& g = plan_.geometry;
  if (iy < 0 || iy >= g.h || ix < 0 || ix >= g.w) return nullptr;
  return x.as<Bf16>() + ((task.tile.n * g.h + iy) * g.w + ix) * pixel_stride_of(*x.spec) +
         task.group * plan_.layout.in;
}

// pixels: [tile pixel / 12][tap][12].
void Bf16Conv::point_at_pixels(const Tensor& x, const ConvTask& task, const Bf16** pixels) const {
  const ConvGeometry& g = plan_.geometry;
  for_each_pixel(task.tile, [&](int64_t pixel, int64_t oy, int64_t ox) {
    const Bf16** entry = pixels + pixel / kBconvPixels * g.taps() * kBconvPixels + pixel % kBconvPixels;
    for (int64_t ky = 0; ky < g.kh; ++ky)
      for (int64_t kx = 0; kx < g.kw; ++kx, entry += kBconvPixels) {
        const Bf16* from = input_pixel(x, task, g.input_row(oy, ky), ox * g.sw - g.pad_left + kx * g.dw);
        *entry = from ? from : constants_.zeros->data();
      }
  });
}

void Bf16Conv::run_dense(const RunContext& context, const ConvTask& task, const Scratch& scratch) const {
  auto** pixels = reinterpret_cast<const Bf16**>(scratch.pointers);
  point_at_pixels(context.inputs[0], task, pixels);
  BdconvArgs args{};
  args.taps = plan_.geometry.taps(), args.channels = plan_.even;
  for (int64_t slab = task.first_block / kSlabBlocks; slab * kSlabBlocks < task.last_block; ++slab) {
    const int64_t outputs = std::min(kSlab, plan_.layout.out - slab * kSlab);
    for (int64_t column = 0; column < outputs; column += plan_.columns) {
      const BconvEpilogueArgs whole_tile = epilogue_at(context, task, slab, column);
      args.weights = slab_at(task, slab) + column;
      args.bias = constants_.bias->data() + output_at(task, slab) + column;
      for (int64_t pixel = 0; pixel < task.tile.pixels(); pixel += kBconvPixels) {
        const BconvEpilogueArgs epilogue = advance_pixels(whole_tile, pixel);
        args.count = std::min(kBconvPixels, task.tile.pixels() - pixel);
        args.pixels = pixels + pixel * args.taps;
        args.epilogue = &epilogue;
        dense_.function(args);
      }
    }
  }
}

// Records, [span] each: of a single tap [row][pair], else [input row][input column], the first pixel being there and the
// second where the next output's would be.
void Bf16Conv::list_tile(const Tensor& x, const ConvTask& task, std::byte* records) const {
  const ConvGeometry& g = plan_.geometry;
  const ConvTile& tile = task.tile;
  const int64_t bytes = plan_.sparse.spans * plan_.sparse.record_bytes();
  const int64_t top = g.input_row(tile.oy, 0), left = tile.ox * g.sw - g.pad_left;
  if (plan_.is_single_tap()) {
    for (int64_t row = 0; row < tile.rows; ++row)
      for (int64_t column = 0; column < tile.columns; column += 2, records += bytes)
        list_pair(x, task, top + row * g.sh, left + column * g.sw, records);
    return;
  }
  for (int64_t row = 0; row < plan_.geometry.input_rows(tile.rows); ++row)
    for (int64_t column = 0; column < plan_.geometry.input_columns(tile.columns); ++column, records += bytes)
      if (g.pairs_read_column(ceil_div(tile.columns, 2), column))
        list_pair(x, task, top + row, left + column, records);
}

void Bf16Conv::list_pair(const Tensor& x, const ConvTask& task, int64_t iy, int64_t ix,
                         std::byte* records) const {
  const Bf16* first = input_pixel(x, task, iy, ix);
  const Bf16* second = input_pixel(x, task, iy, ix + plan_.geometry.sw);
  for (int64_t span = 0; span < plan_.sparse.spans; ++span) {
    const int64_t channel = span * plan_.sparse.span_channels;
    kernels_.bf16_list_pair({.first = first ? first + channel : nullptr,
                             .second = second ? second + channel : nullptr,
                             .channels = std::min(plan_.sparse.span_channels, plan_.layout.in - channel),
                             .record = records + span * plan_.sparse.record_bytes()});
  }
}

// lists: [span][range of taps][row][pair][tap of the range].
void Bf16Conv::point_at_lists(const ConvTask& task, const std::byte* records, const std::byte** lists) const {
  const ConvGeometry& g = plan_.geometry;
  const Bf16SparsePlan& sparse = plan_.sparse;
  const int64_t columns = plan_.is_single_tap() ? ceil_div(task.tile.columns, 2)
                                                : plan_.geometry.input_columns(task.tile.columns);
  for (int64_t span = 0; span < sparse.spans; ++span)
    for (int64_t first = 0; first < g.taps(); first += sparse.tap_step)
      for (int64_t row = 0; row < task.tile.rows; ++row)
        for (int64_t pair = 0; pair < ceil_div(task.tile.columns, 2); ++pair)
          for (int64_t tap = first; tap < std::min(g.taps(), first + sparse.tap_step); ++tap) {
            const int64_t y = plan_.is_single_tap() ? row : row * g.sh + tap / g.kw * g.dh;
            const int64_t x = plan_.is_single_tap() ? pair : 2 * pair * g.sw + tap % g.kw * g.dw;
            *lists++ = records + ((y * columns + x) * sparse.spans + span) * sparse.record_bytes();
          }
}

void Bf16Conv::run_sparse(const RunContext& context, const ConvTask& task, const Scratch& scratch) const {
  list_tile(context.inputs[0], task, scratch.records);
  point_at_lists(task, scratch.records, reinterpret_cast<const std::byte**>(scratch.pointers));
  for (int64_t slab = task.first_block / kSlabBlocks; slab * kSlabBlocks < task.last_block; ++slab) {
    const int64_t outputs = std::min(kSlab, plan_.layout.out - slab * kSlab);
    for (int64_t column = 0; column < outputs; column += plan_.columns)
      run_panels(task, slab, column, epilogue_at(context, task, slab, column), scratch);
  }
}

// All panels of weights of the outputs of a slab from a column on.
void Bf16Conv::run_panels(const ConvTask& task, int64_t slab, int64_t column,
                          const BconvEpilogueArgs& epilogue, const Scratch& scratch) const {
  const Bf16SparsePlan& sparse = plan_.sparse;
  const int64_t taps = plan_.geometry.taps(), pairs = ceil_div(task.tile.columns, 2);
  BspconvArgs args{};
  args.pixels = task.tile.columns;
  args.lists = reinterpret_cast<const std::byte* const*>(scratch.pointers);
  args.span_stride = plan_.even * kSlab;
  args.bias = constants_.bias->data() + output_at(task, slab) + column;
  args.acc_stride = plan_.columns;
  for (int64_t span = 0; span < sparse.spans; ++span)
    for (int64_t tap = 0; tap < taps; tap += sparse.tap_step) {
      args.spans = std::min(sparse.tap_step, taps - tap);
      args.weights = slab_at(task, slab) + (tap * plan_.even + span * sparse.span_channels) * kSlab + column;
      const bool is_last = span + 1 == sparse.spans && tap + args.spans == taps;
      for (int64_t row = 0; row < task.tile.rows; ++row, args.lists += pairs * args.spans) {
        const BconvEpilogueArgs of_row = advance_pixels(epilogue, row * task.tile.columns);
        args.acc = scratch.acc + row * pairs * 2 * plan_.columns;
        args.epilogue = is_last ? &of_row : nullptr;
        sparse_.function(args);
      }
      args.bias = nullptr;
    }
}

const Bf16* Bf16Conv::slab_at(const ConvTask& task, int64_t slab) const {
  const int64_t slab_size = plan_.geometry.taps() * plan_.even * kSlab;
  return constants_.weights->data() + (task.group * plan_.layout.slabs() + slab) * slab_size;
}

int64_t Bf16Conv::output_at(const ConvTask& task, int64_t slab) const {
  return (task.group * plan_.layout.slabs() + slab) * kSlab;
}

BconvEpilogueArgs Bf16Conv::epilogue_at(const RunContext& context, const ConvTask& task, int64_t slab,
                                        int64_t column) const {
  const ConvTile& tile = task.tile;
  const Tensor& y = context.outputs[0];
  const bool is_row = y.spec->layout == Layout::kRow;
  const int64_t pixel = (tile.n * plan_.geometry.oh + tile.oy) * plan_.geometry.ow + tile.ox;
  const int64_t channel = task.group * plan_.layout.out + slab * kSlab + column;
  // Of several groups each ends where the next one begins; the last outputs' padding is written with them.
  const int64_t end = plan_.layout.groups > 1 ? (task.group + 1) * plan_.layout.out
                      : is_row                ? plan_.geometry.o
                                              : y.spec->padded_c();
  BconvEpilogueArgs args{};
  args.outputs = std::min(plan_.columns, end - channel);
  if (constants_.thresholds) args.thresholds = constants_.thresholds->data() + output_at(task, slab) + column;
  args.max_value = constants_.max_value;
  if (context.inputs.size() == 2) {
    args.residual_stride = context.inputs[1].spec->pixel_stride;
    args.residual = context.inputs[1].as<Bf16>() + pixel * args.residual_stride + channel;
  }
  args.y_stride = pixel_stride_of(*y.spec);
  if (y.spec->dtype == DataType::kBf16)
    args.y = y.as<Bf16>() + pixel * args.y_stride + channel;
  else
    args.float_y = y.as<float>() + pixel * args.y_stride + channel;
  return args;
}

std::unique_ptr<Op> make_bf16_conv(const StepSpec& step, const BuildContext& context) {
  return std::make_unique<Bf16Conv>(step, context);
}

std::unique_ptr<Op> make_bf16_linear(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<Bf16Conv>(step, context);
}

}  // namespace zeroskip
