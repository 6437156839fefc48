#include "ops/conv/quantized_quads.h"

#include <algorithm>

namespace zeroskip {

// pixels: [tile pixel / 12][tap][12], as point_at_rows leaves them.
void QuantizedQuadConv::point_at_input(const Tensor& x, const ConvTask& task, const uint8_t** pixels) const {
  const ConvGeometry& g = layer_.plan().geometry;
  for_each_pixel(task.tile, [&](int64_t pixel, int64_t oy, int64_t ox) {
    const uint8_t** entry = pixels + first_pointer(pixel, g.taps());
    for (int64_t ky = 0; ky < g.kh; ++ky)
      for (int64_t kx = 0; kx < g.kw; ++kx, entry += kQconvPixels) {
        const int64_t iy = oy * g.sh - g.pad_top + ky * g.dh, ix = ox * g.sw - g.pad_left + kx * g.dw;
        const uint8_t* inside = layer_.input_pixel(x, task, iy, ix);
        *entry = inside ? inside : layer_.constants().outside->data();
      }
  });
}

// The columns of one input row that the tile reads, zero points where there is padding.
void QuantizedQuadConv::gather_row(const Tensor& x, const ConvTask& task, int64_t iy, uint8_t* row) const {
  const ConvGeometry& g = layer_.plan().geometry;
  const InputColumns columns = input_columns(g, task.tile, iy);
  std::fill_n(row, columns.count * g.c, layer_.plan().x_zero_point);
  if (layer_.plan().input == ConvInput::kPixels) {
    for (int64_t column = columns.first; column < columns.last; ++column)
      std::copy_n(layer_.input_pixel(x, task, iy, columns.left + column), g.c, row + column * g.c);
    return;
  }
  const uint8_t* image = x.as<uint8_t>() + task.tile.n * g.c * g.h * g.w;
  if (layer_.plan().input == ConvInput::kNhwcRows) {
    std::copy_n(image + (iy * g.w + columns.left + columns.first) * g.c, columns.inside() * g.c,
                row + columns.first * g.c);
    return;
  }
  for (int64_t c = 0; c < g.c; ++c) {
    const uint8_t* from = image + (c * g.h + iy) * g.w + columns.left;
    for (int64_t column = columns.first; column < columns.last; ++column)
      row[column * g.c + c] = from[column];
  }
}

void QuantizedQuadConv::run(const RunContext& context, const ConvTask& task,
                            const QuantizedThreadScratch& scratch) const {
  const QuantizedConvPlan& plan = layer_.plan();
  const ConvGeometry& g = plan.geometry;
  auto** pixels = reinterpret_cast<const uint8_t**>(scratch.pointers);
  if (plan.gathers_input) {
    auto* rows = reinterpret_cast<uint8_t*>(scratch.input);
    const int64_t row = g.input_columns(task.tile.columns) * g.c;
    for (int64_t index = 0; index < g.input_rows(task.tile.rows); ++index)
      gather_row(context.inputs[0], task, g.input_row(task.tile.oy, 0) + index, rows + index * row);
    point_at_rows(plan, task.tile, g.c, rows, pixels);
  } else {
    point_at_input(context.inputs[0], task, pixels);
  }
  QdquadsArgs args{};
  args.taps = plan.dense.taps, args.channels = plan.dense.padded;
  for (int64_t slab = task.first_block / kSlabBlocks; slab * kSlabBlocks < task.last_block; ++slab) {
    const RequantizeArgs outputs = layer_.epilogue_at(context, task, slab, scratch.y);
    args.blocks = std::min(kSlabBlocks, plan.layout.blocks() - slab * kSlabBlocks);
    args.weights = reinterpret_cast<const std::byte*>(layer_.slab_at(task, slab));
    args.bias = layer_.constants().shifted_bias->data() + layer_.output_at(task, slab);
    for (int64_t pixel = 0; pixel < task.tile.pixels(); pixel += kQconvPixels) {
      const RequantizeArgs epilogue = advance_pixels(outputs, pixel);
      args.count = std::min(kQconvPixels, task.tile.pixels() - pixel);
      args.pixels = pixels + first_pointer(pixel, args.taps);
      args.epilogue = &epilogue;
      kernel_.function(args);
    }
    layer_.finish_slab(context, task, slab, args.blocks * 16, scratch.y);
  }
}

}  // namespace zeroskip
