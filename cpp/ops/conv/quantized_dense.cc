#include "ops/conv/quantized_dense.h"

#include <algorithm>

namespace zeroskip {
namespace {

constexpr int64_t kBlock = 16;

}  // namespace

QuantizedDenseConv::QuantizedDenseConv(const QuantizedLayer& layer) : layer_(layer), kernels_by_blocks_(1) {
  for (int64_t columns = kBlock; columns <= layer.plan().dense.columns; columns += kBlock)
    kernels_by_blocks_.push_back(
        get_kernel<QdconvFn>(layer.kernels(), {.kind = "qdconv", .columns = columns}));
}

void QuantizedDenseConv::widen_tile(const Tensor& x, const ConvTask& task, int16_t* wide) const {
  const ConvGeometry& g = layer_.plan().geometry;
  if (layer_.plan().is_single_tap()) {
    for_each_pixel(task.tile, [&](int64_t pixel, int64_t oy, int64_t ox) {
      int16_t* to = wide + pixel * layer_.plan().dense.padded;
      const uint8_t* from = layer_.input_pixel(x, task, oy * g.sh - g.pad_top, ox * g.sw - g.pad_left);
      if (from)
        layer_.kernels().u8_widen(from, layer_.plan().dense.channels, layer_.plan().x_zero_point, to);
      else
        std::fill_n(to, layer_.plan().dense.channels, int16_t{0});
      if (layer_.plan().dense.padded > layer_.plan().dense.channels) to[layer_.plan().dense.channels] = 0;
    });
    return;
  }
  const int64_t pixel = layer_.plan().gathers_input ? g.c : layer_.plan().dense.padded;
  const int64_t row = g.input_columns(task.tile.columns) * pixel;
  for (int64_t index = 0; index < g.input_rows(task.tile.rows); ++index)
    widen_row(x, task, g.input_row(task.tile.oy, 0) + index, wide + index * row);
}

// The columns of one input row that the tile reads, zeros where there is padding.
void QuantizedDenseConv::widen_row(const Tensor& x, const ConvTask& task, int64_t iy, int16_t* wide) const {
  const ConvGeometry& g = layer_.plan().geometry;
  const int64_t pixel = layer_.plan().gathers_input ? g.c : layer_.plan().dense.padded;
  const auto [left, columns, first, last] = input_columns(g, task.tile, iy);
  if (first == last) return void(std::fill_n(wide, columns * pixel, int16_t{0}));
  std::fill_n(wide, first * pixel, int16_t{0});
  std::fill_n(wide + last * pixel, (columns - last) * pixel, int16_t{0});
  if (layer_.plan().input == ConvInput::kPixels) {
    for (int64_t column = first; column < last; ++column) {
      const uint8_t* from = layer_.input_pixel(x, task, iy, left + column);
      layer_.kernels().u8_widen(from, layer_.plan().gathers_input ? g.c : layer_.plan().dense.channels,
                                layer_.plan().x_zero_point, wide + column * pixel);
      if (pixel > layer_.plan().layout.in) wide[column * pixel + layer_.plan().layout.in] = 0;
    }
    return;
  }
  const uint8_t* image = x.as<uint8_t>() + task.tile.n * g.c * g.h * g.w;
  if (layer_.plan().input == ConvInput::kNhwcRows) {
    const uint8_t* from = image + (iy * g.w + left + first) * g.c;
    return layer_.kernels().u8_widen(from, (last - first) * g.c, layer_.plan().x_zero_point,
                                     wide + first * g.c);
  }
  const uint8_t* from = image + iy * g.w + left + first;
  const auto widened = [zero = layer_.plan().x_zero_point](uint8_t x) {
    return static_cast<int16_t>(x - zero);
  };
  join_planes({from, g.h * g.w, last - first, g.c}, widened, wide + first * g.c);
}

void QuantizedDenseConv::point_at_widened(const ConvTask& task, const int16_t* wide,
                                          const int16_t** pixels) const {
  const QuantizedConvPlan& plan = layer_.plan();
  const int64_t pixel_size = plan.gathers_input ? plan.geometry.c : plan.dense.padded;
  if (!plan.is_single_tap()) return point_at_rows(plan, task.tile, pixel_size, wide, pixels);
  for (int64_t pixel = 0; pixel < task.tile.pixels(); ++pixel)
    pixels[first_pointer(pixel, 1)] = wide + pixel * pixel_size;
}

void QuantizedDenseConv::run(const RunContext& context, const ConvTask& task,
                             const QuantizedThreadScratch& scratch) const {
  const QuantizedDensePlan& dense = layer_.plan().dense;
  auto* wide = reinterpret_cast<int16_t*>(scratch.input);
  auto** pixels = reinterpret_cast<const int16_t**>(scratch.pointers);
  widen_tile(context.inputs[0], task, wide);
  point_at_widened(task, wide, pixels);
  const int32_t* bias = layer_.constants().bias->data();
  const int64_t tap_bytes = dense.tap_bytes() / kSlabBlocks;  // of a block
  for (int64_t slab = task.first_block / kSlabBlocks; slab * kSlabBlocks < task.last_block; ++slab) {
    const int64_t blocks = std::min(kSlabBlocks, layer_.plan().layout.blocks() - slab * kSlabBlocks);
    const RequantizeArgs whole_slab = layer_.epilogue_at(context, task, slab, scratch.y);
    for (int64_t tap = 0; tap < dense.taps; tap += dense.tap_step) {
      QdconvArgs args{};
      args.taps = std::min(dense.tap_step, dense.taps - tap), args.channels = dense.padded,
      args.acc_stride = kSlab;
      args.count = task.tile.pixels(), args.pixels = pixels + tap * kQconvPixels;
      args.group_stride = dense.taps * kQconvPixels;
      const int64_t block_stride = args.taps * tap_bytes;
      for (int64_t t = 0; t < args.taps; ++t)
        layer_.kernels().s8_expand_pairs(
            {.channels = dense.channels,
             .blocks = blocks,
             .from = layer_.slab_at(task, slab) + (tap + t) * dense.channels * kSlab,
             .to = scratch.weights + t * tap_bytes,
             .block_stride = block_stride});
      for (int64_t block = 0, width = 0; block < blocks; block += width) {
        const int64_t most = std::min(dense.columns / kBlock, blocks - block);
        const Kernel<QdconvFn>& kernel = kernels_by_blocks_[static_cast<size_t>(most)];
        width = kernel.columns.columns / kBlock;
        const RequantizeArgs outputs = advance_outputs(whole_slab, block * kBlock);
        args.weights = scratch.weights + block * block_stride;
        args.bias = tap == 0 ? bias + layer_.output_at(task, slab) + block * kBlock : nullptr;
        args.acc = scratch.acc + block * kBlock;
        args.epilogue = tap + args.taps == dense.taps ? &outputs : nullptr;
        kernel.function(args);
      }
    }
    layer_.finish_slab(context, task, slab, blocks * kBlock, scratch.y);
  }
}

}  // namespace zeroskip
