#include "ops/conv/quantized_conv.h"

#include <algorithm>

#include "ops/ops.h"
#include "ops/shapes.h"

namespace zeroskip {
namespace {

constexpr int64_t kBlock = 16;
constexpr int64_t kSlabBlocks = kSlab / kBlock;

RequantizeArgs advance_outputs(RequantizeArgs args, int64_t outputs) {
  args.multipliers += outputs;
  args.zero_points += outputs;
  if (args.thresholds) args.thresholds += outputs;
  if (args.residual) args.residual += outputs;
  args.y += outputs;
  return args;
}

RequantizeArgs advance_pixels(RequantizeArgs args, int64_t pixels) {
  if (args.residual) args.residual += pixels * args.residual_stride;
  args.y += pixels * args.y_stride;
  return args;
}

int64_t stride_of(const TensorSpec& tensor) {
  return tensor.layout == Layout::kNhwc ? tensor.pixel_stride : tensor.shape.back();
}

// Calls visit(pixel, oy, ox) for every output pixel of a tile.
template <typename Visit>
void for_each_pixel(const ConvTile& tile, const Visit& visit) {
  int64_t pixel = 0;
  for (int64_t oy = tile.oy; oy < tile.oy + tile.rows; ++oy)
    for (int64_t ox = tile.ox; ox < tile.ox + tile.columns; ++ox) visit(pixel++, oy, ox);
}

}  // namespace

QuantizedConv::QuantizedConv(const StepSpec& step, const BuildContext& context)
    : kernels_(context.kernels),
      plan_(plan_quantized_conv(step, context)),
      constants_(pack_quantized_constants(plan_, step, context)),
      sparse_(get_kernel<QspconvFn>(kernels_, {.kind = plan_.sparse.expands_rows ? "qspconv" : "qrows",
                                               .columns = plan_.sparse.columns})),
      dense_(get_kernel<QdconvFn>(kernels_, {.kind = "qdconv", .columns = plan_.dense.columns})) {}

QuantizedConv::Scratch QuantizedConv::thread_scratch(const RunContext& context, int thread) const {
  const QuantizedScratch& bytes = plan_.scratch;
  std::byte* input = context.scratch.data() + thread * bytes.thread();
  std::byte* pointers = input + bytes.input;
  std::byte* acc = pointers + bytes.pointers;
  std::byte* weights = acc + bytes.acc;
  return {input, pointers, reinterpret_cast<int32_t*>(acc), reinterpret_cast<int16_t*>(weights),
          reinterpret_cast<uint8_t*>(weights + bytes.weights)};
}

size_t QuantizedConv::scratch_bytes() const {
  return static_cast<size_t>(checked_product({plan_.num_threads, plan_.scratch.thread()}));
}

std::string QuantizedConv::kernel_name() const {
  if (plan_.algorithm == ConvAlgorithm::kDense) return dense_.name;
  if (plan_.algorithm == ConvAlgorithm::kSparse) return sparse_.name;
  return std::string(sparse_.name) + " | " + dense_.name;
}

void QuantizedConv::run(const RunContext& context) const {
  parallel_for(context.num_threads, plan_.tasks(), [&](int64_t index, int thread) {
    const ConvTask task = task_at(plan_.geometry, plan_.layout, plan_.cut, index);
    const Scratch scratch = thread_scratch(context, thread);
    if (is_sparse(context.inputs[0], task))
      run_sparse(context, task, scratch);
    else
      run_dense(context, task, scratch);
  });
}

bool QuantizedConv::is_sparse(const Tensor& x, const ConvTask& task) const {
  if (plan_.algorithm != ConvAlgorithm::kAuto) return plan_.algorithm == ConvAlgorithm::kSparse;
  const PixelRange range = input_pixels(plan_.geometry, task.tile);
  const int64_t channels = plan_.layout.in, stride = stride_of(*x.spec);
  const uint8_t* first = x.as<uint8_t>() + range.first * stride + task.group * channels;
  const int64_t nnz = kernels_.u8_count_nonzero(first, range.count, channels, stride, plan_.x_zero_point);
  return static_cast<double>(nnz) <= plan_.crossover_density * static_cast<double>(range.count * channels);
}

// Null outside the image.
const uint8_t* QuantizedConv::input_pixel(const Tensor& x, const ConvTask& task, int64_t iy,
                                          int64_t ix) const {
  const ConvGeometry& g = plan_.geometry;
  if (iy < 0 || iy >= g.h || ix < 0 || ix >= g.w) return nullptr;
  return x.as<uint8_t>() + ((task.tile.n * g.h + iy) * g.w + ix) * stride_of(*x.spec) +
         task.group * plan_.layout.in;
}

void QuantizedConv::widen_tile(const Tensor& x, const ConvTask& task, int16_t* wide) const {
  const ConvGeometry& g = plan_.geometry;
  if (plan_.is_single_tap()) {
    for_each_pixel(task.tile, [&](int64_t pixel, int64_t oy, int64_t ox) {
      int16_t* to = wide + pixel * plan_.dense.even;
      const uint8_t* from = input_pixel(x, task, oy * g.sh - g.pad_top, ox * g.sw - g.pad_left);
      if (from)
        kernels_.u8_widen(from, plan_.dense.channels, plan_.x_zero_point, to);
      else
        std::fill_n(to, plan_.dense.channels, int16_t{0});
      if (plan_.dense.even > plan_.dense.channels) to[plan_.dense.channels] = 0;
    });
    return;
  }
  const int64_t pixel = plan_.gathers_input ? g.c : plan_.dense.even;
  const int64_t row = plan_.input_columns(task.tile.columns) * pixel;
  for (int64_t index = 0; index < plan_.input_rows(task.tile.rows); ++index)
    widen_row(x, task, g.input_row(task.tile.oy, 0) + index, wide + index * row);
}

// The columns of one input row that the tile reads, zeros where there is padding.
void QuantizedConv::widen_row(const Tensor& x, const ConvTask& task, int64_t iy, int16_t* wide) const {
  const ConvGeometry& g = plan_.geometry;
  const int64_t columns = plan_.input_columns(task.tile.columns),
                pixel = plan_.gathers_input ? g.c : plan_.dense.even;
  const int64_t left = task.tile.ox * g.sw - g.pad_left;
  const int64_t first = std::clamp<int64_t>(-left, 0, columns),
                last = std::clamp<int64_t>(g.w - left, first, columns);
  if (iy < 0 || iy >= g.h || first == last) return void(std::fill_n(wide, columns * pixel, int16_t{0}));
  std::fill_n(wide, first * pixel, int16_t{0});
  std::fill_n(wide + last * pixel, (columns - last) * pixel, int16_t{0});
  if (plan_.input == ConvInput::kPixels) {
    for (int64_t column = first; column < last; ++column) {
      const uint8_t* from = input_pixel(x, task, iy, left + column);
      kernels_.u8_widen(from, plan_.gathers_input ? g.c : plan_.dense.channels, plan_.x_zero_point,
                        wide + column * pixel);
      if (pixel > plan_.layout.in) wide[column * pixel + plan_.layout.in] = 0;
    }
    return;
  }
  const uint8_t* image = x.as<uint8_t>() + task.tile.n * g.c * g.h * g.w;
  if (plan_.input == ConvInput::kNhwcRows) {
    const uint8_t* from = image + (iy * g.w + left + first) * g.c;
    return kernels_.u8_widen(from, (last - first) * g.c, plan_.x_zero_point, wide + first * g.c);
  }
  for (int64_t c = 0; c < g.c; ++c) {
    const uint8_t* from = image + (c * g.h + iy) * g.w + left;
    for (int64_t column = first; column < last; ++column)
      wide[column * g.c + c] = static_cast<int16_t>(from[column] - plan_.x_zero_point);
  }
}

// pixels: [tile pixel / 12][tap][12].
void QuantizedConv::point_at_widened(const ConvTask& task, const int16_t* wide,
                                     const int16_t** pixels) const {
  const ConvGeometry& g = plan_.geometry;
  const int64_t taps = plan_.dense.taps, pixel_size = plan_.gathers_input ? g.c : plan_.dense.even;
  const int64_t columns = plan_.input_columns(task.tile.columns);
  for_each_pixel(task.tile, [&](int64_t pixel, int64_t oy, int64_t ox) {
    const int16_t** entry = pixels + pixel / kQconvPixels * taps * kQconvPixels + pixel % kQconvPixels;
    if (plan_.is_single_tap()) {
      *entry = wide + pixel * pixel_size;
      return;
    }
    const int64_t top = (oy - task.tile.oy) * g.sh, left = (ox - task.tile.ox) * g.sw;
    const int64_t row_taps = taps / g.kh;  // 1 of a gathered input
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t ky = tap / row_taps, kx = tap % row_taps;
      entry[tap * kQconvPixels] = wide + ((top + ky * g.dh) * columns + left + kx * g.dw) * pixel_size;
    }
  });
}

void QuantizedConv::run_dense(const RunContext& context, const ConvTask& task, const Scratch& scratch) const {
  const QuantizedDensePlan& dense = plan_.dense;
  auto* wide = reinterpret_cast<int16_t*>(scratch.input);
  auto** pixels = reinterpret_cast<const int16_t**>(scratch.pointers);
  widen_tile(context.inputs[0], task, wide);
  point_at_widened(task, wide, pixels);
  for (int64_t slab = task.first_block / kSlabBlocks; slab * kSlabBlocks < task.last_block; ++slab) {
    const int64_t blocks = std::min(kSlabBlocks, plan_.layout.blocks() - slab * kSlabBlocks);
    const RequantizeArgs whole_slab = epilogue_at(context, task, slab, scratch.y);
    for (int64_t tap = 0; tap < dense.taps; tap += dense.tap_step) {
      QdconvArgs args{};
      args.taps = std::min(dense.tap_step, dense.taps - tap), args.channels = dense.even,
      args.acc_stride = kSlab;
      const int64_t block_stride = args.taps * dense.even * kBlock;
      for (int64_t t = 0; t < args.taps; ++t)
        kernels_.s8_expand_pairs({.channels = dense.channels,
                                  .blocks = blocks,
                                  .from = slab_at(task, slab) + (tap + t) * dense.channels * kSlab,
                                  .to = scratch.weights + t * dense.even * kBlock,
                                  .block_stride = block_stride});
      for (int64_t block = 0, width = 0; block < blocks; block += width) {
        const int64_t most = std::min(dense.columns, (blocks - block) * kBlock);
        const auto kernel = get_kernel<QdconvFn>(kernels_, {.kind = "qdconv", .columns = most});
        width = kernel.columns.columns / kBlock;
        const RequantizeArgs outputs = advance_outputs(whole_slab, block * kBlock);
        args.weights = scratch.weights + block * block_stride;
        args.bias = tap == 0 ? constants_.bias->data() + output_at(task, slab) + block * kBlock : nullptr;
        for (int64_t pixel = 0; pixel < task.tile.pixels(); pixel += kQconvPixels) {
          const RequantizeArgs epilogue = advance_pixels(outputs, pixel);
          args.count = std::min(kQconvPixels, task.tile.pixels() - pixel);
          args.pixels = pixels + pixel * dense.taps + tap * kQconvPixels;
          args.acc = scratch.acc + pixel * kSlab + block * kBlock;
          args.epilogue = tap + args.taps == dense.taps ? &epilogue : nullptr;
          kernel.function(args);
        }
      }
    }
    finish_slab(context, task, slab, blocks * kBlock, scratch.y);
  }
}

// Records: an empty one, then [pixel][panel] of the output pixels of a single tap, else of the tile's input.
void QuantizedConv::list_tile(const Tensor& x, const ConvTask& task, std::byte* records) const {
  const ConvGeometry& g = plan_.geometry;
  const QuantizedSparsePlan& sparse = plan_.sparse;
  *reinterpret_cast<SpanHeader*>(records) = {0, 0};
  const auto list = [&](int64_t index, int64_t iy, int64_t ix) {
    const uint8_t* from = input_pixel(x, task, iy, ix);
    for (int64_t panel = 0; panel < sparse.panels; ++panel) {
      std::byte* record = records + (1 + index * sparse.panels + panel) * sparse.record_bytes();
      const int64_t channel = panel * sparse.panel_channels;
      if (!from) *reinterpret_cast<SpanHeader*>(record) = {0, 0};
      if (from)
        kernels_.u8_list_span({.x = from + channel,
                               .channels = std::min(sparse.panel_channels, plan_.layout.in - channel),
                               .capacity = sparse.capacity(),
                               .zero_point = plan_.x_zero_point,
                               .row_bytes = sparse.expands_rows ? sparse.columns * 2 : kSlabRowBytes,
                               .record = record});
    }
  };
  if (plan_.is_single_tap()) {
    for_each_pixel(task.tile, [&](int64_t pixel, int64_t oy, int64_t ox) {
      list(pixel, oy * g.sh - g.pad_top, ox * g.sw - g.pad_left);
    });
    return;
  }
  const int64_t columns = plan_.input_columns(task.tile.columns);
  const int64_t top = g.input_row(task.tile.oy, 0), left = task.tile.ox * g.sw - g.pad_left;
  for (int64_t row = 0; row < plan_.input_rows(task.tile.rows); ++row)
    for (int64_t column = 0; column < columns; ++column)
      list(row * columns + column, top + row, left + column);
}

// lists: [panel][range of tap_step taps][tile pixel][tap of the range].
void QuantizedConv::point_at_lists(const ConvTask& task, const std::byte* records,
                                   const std::byte** lists) const {
  const ConvGeometry& g = plan_.geometry;
  const QuantizedSparsePlan& sparse = plan_.sparse;
  const int64_t columns = plan_.input_columns(task.tile.columns);
  for (int64_t panel = 0; panel < sparse.panels; ++panel)
    for (int64_t tap = 0; tap < g.taps(); tap += sparse.tap_step)
      for_each_pixel(task.tile, [&](int64_t pixel, int64_t oy, int64_t ox) {
        const int64_t top = (oy - task.tile.oy) * g.sh, left = (ox - task.tile.ox) * g.sw;
        for (int64_t t = tap; t < std::min(tap + sparse.tap_step, g.taps()); ++t) {
          const int64_t index =
              plan_.is_single_tap() ? pixel : (top + t / g.kw * g.dh) * columns + left + t % g.kw * g.dw;
          *lists++ = records + (1 + index * sparse.panels + panel) * sparse.record_bytes();
        }
      });
}

void QuantizedConv::run_sparse(const RunContext& context, const ConvTask& task,
                               const Scratch& scratch) const {
  const QuantizedSparsePlan& sparse = plan_.sparse;
  const int64_t in = plan_.layout.in, taps = plan_.geometry.taps();
  auto** lists = reinterpret_cast<const std::byte**>(scratch.pointers);
  list_tile(context.inputs[0], task, scratch.input);
  point_at_lists(task, scratch.input, lists);
  for (int64_t slab = task.first_block / kSlabBlocks; slab * kSlabBlocks < task.last_block; ++slab) {
    const int64_t outputs = std::min(kSlab, plan_.layout.out - slab * kSlab);
    const RequantizeArgs whole_slab = epilogue_at(context, task, slab, scratch.y);
    int64_t column = 0;
    for (; column < outputs; column += sparse.columns) {
      const RequantizeArgs epilogue = advance_outputs(whole_slab, column);
      QspconvArgs args{};
      args.pixels = task.tile.pixels(), args.capacity = sparse.capacity();
      args.acc = scratch.acc, args.acc_stride = sparse.columns;
      args.lists = lists;
      args.bias = constants_.bias->data() + output_at(task, slab) + column;
      for (int64_t channel = 0; channel < in; channel += sparse.panel_channels)
        for (int64_t tap = 0; tap < taps; tap += sparse.tap_step) {
          args.spans = std::min(sparse.tap_step, taps - tap);
          point_at_rows(task, slab, {channel, tap, column}, scratch.weights, args);
          const bool is_last = channel + sparse.panel_channels >= in && tap + args.spans == taps;
          args.epilogue = is_last ? &epilogue : nullptr;
          sparse_.function(args);
          args.bias = nullptr;
          args.lists += args.pixels * args.spans;
        }
    }
    finish_slab(context, task, slab, column, scratch.y);
  }
}

// The rows of weights of args.spans taps from `panel` on, expanded to `expanded` where the kernel wants that.
void QuantizedConv::point_at_rows(const ConvTask& task, int64_t slab, const Panel& panel, int16_t* expanded,
                                  QspconvArgs& args) const {
  const QuantizedSparsePlan& sparse = plan_.sparse;
  const int64_t channels = std::min(sparse.panel_channels, plan_.layout.in - panel.channel);
  const auto rows_of = [&](int64_t tap) {
    return slab_at(task, slab) + (tap * plan_.layout.in + panel.channel) * kSlab + panel.column;
  };
  if (!sparse.expands_rows) {
    args.weights = reinterpret_cast<const std::byte*>(rows_of(panel.tap));
    return;
  }
  for (int64_t span = 0; span < args.spans; ++span)
    kernels_.s8_expand_rows({.channels = channels,
                             .blocks = sparse.columns / kBlock,
                             .from = rows_of(panel.tap + span),
                             .to = expanded + span * channels * sparse.columns,
                             .block_stride = 0});
  args.weights = reinterpret_cast<const std::byte*>(expanded);
  args.span_stride = channels * sparse.columns * static_cast<int64_t>(sizeof(int16_t));
}

const int8_t* QuantizedConv::slab_at(const ConvTask& task, int64_t slab) const {
  const int64_t slab_bytes = plan_.geometry.taps() * plan_.layout.in * kSlab;
  return constants_.weights->data() + (task.group * plan_.layout.slabs() + slab) * slab_bytes;
}

int64_t QuantizedConv::output_at(const ConvTask& task, int64_t slab) const {
  return (task.group * plan_.layout.slabs() + slab) * kSlab;
}

RequantizeArgs QuantizedConv::epilogue_at(const RunContext& context, const ConvTask& task, int64_t slab,
                                          uint8_t* row_y) const {
  const ConvTile& tile = task.tile;
  const Tensor& y = context.outputs[0];
  const int64_t pixel = (tile.n * plan_.geometry.oh + tile.oy) * plan_.geometry.ow + tile.ox;
  const int64_t channel = task.group * plan_.layout.out + slab * kSlab;
  RequantizeArgs args = constants_.requantizer.at(output_at(task, slab));
  if (context.inputs.size() == 2) {
    args.residual_stride = context.inputs[1].spec->pixel_stride;
    args.residual = context.inputs[1].as<uint8_t>() + pixel * args.residual_stride + channel;
  }
  const bool is_row = y.spec->layout == Layout::kRow;
  args.y_stride = is_row ? kSlab : y.spec->pixel_stride;
  args.y = is_row ? row_y : y.as<uint8_t>() + pixel * args.y_stride + channel;
  return args;
}

// Zeros behind the outputs that kernels wrote, up to the slab's end; of a row tensor the outputs that exist go there.
void QuantizedConv::finish_slab(const RunContext& context, const ConvTask& task, int64_t slab,
                                int64_t columns, const uint8_t* row_y) const {
  const Tensor& y = context.outputs[0];
  const int64_t pixels = task.tile.pixels();
  if (y.spec->layout == Layout::kRow) {
    const int64_t outputs = std::min(kSlab, plan_.layout.out - slab * kSlab);
    uint8_t* to = y.as<uint8_t>() + task.tile.ox * plan_.geometry.o + slab * kSlab;
    for (int64_t pixel = 0; pixel < pixels; ++pixel)
      std::copy_n(row_y + pixel * kSlab, outputs, to + pixel * plan_.geometry.o);
    return;
  }
  if (columns == kSlab) return;
  const RequantizeArgs args = epilogue_at(context, task, slab, nullptr);
  for (int64_t pixel = 0; pixel < pixels; ++pixel)
    std::fill_n(args.y + pixel * args.y_stride + columns, kSlab - columns, uint8_t{0});
}

std::unique_ptr<Op> make_quantized_conv(const StepSpec& step, const BuildContext& context) {
  return std::make_unique<QuantizedConv>(step, context);
}

std::unique_ptr<Op> make_quantized_linear(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<QuantizedConv>(step, context);
}

}  // namespace zeroskip
