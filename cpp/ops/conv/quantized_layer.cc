#include "ops/conv/quantized_layer.h"

#include <algorithm>

namespace zeroskip {

QuantizedThreadScratch thread_scratch(const QuantizedConvPlan& plan, const RunContext& context, int thread) {
  const QuantizedScratch& bytes = plan.scratch;
  std::byte* input = context.scratch.data() + thread * bytes.thread();
  std::byte* pointers = input + bytes.input;
  std::byte* acc = pointers + bytes.pointers;
  std::byte* weights = acc + bytes.acc;
  return {input, pointers, reinterpret_cast<int32_t*>(acc), weights,
          reinterpret_cast<uint8_t*>(weights + bytes.weights)};
}

InputColumns input_columns(const ConvGeometry& geometry, const ConvTile& tile, int64_t iy) {
  InputColumns columns{};
  columns.left = tile.ox * geometry.sw - geometry.pad_left;
  columns.count = geometry.input_columns(tile.columns);
  if (iy < 0 || iy >= geometry.h) return columns;
  columns.first = std::clamp<int64_t>(-columns.left, 0, columns.count);
  columns.last = std::clamp<int64_t>(geometry.w - columns.left, columns.first, columns.count);
  return columns;
}

RequantizeArgs advance_pixels(RequantizeArgs args, int64_t pixels) {
  if (args.residual) args.residual += pixels * args.residual_stride;
  args.y += pixels * args.y_stride;
  return args;
}

RequantizeArgs advance_outputs(RequantizeArgs args, int64_t outputs) {
  args.multipliers += outputs;
  args.zero_points += outputs;
  if (args.thresholds) args.thresholds += outputs;
  if (args.residual) args.residual += outputs;
  args.y += outputs;
  return args;
}

const uint8_t* QuantizedLayer::input_pixel(const Tensor& x, const ConvTask& task, int64_t iy,
                                           int64_t ix) const {
  const ConvGeometry& g = plan_.geometry;
  if (iy < 0 || iy >= g.h || ix < 0 || ix >= g.w) return nullptr;
  return x.as<uint8_t>() + ((task.tile.n * g.h + iy) * g.w + ix) * pixel_stride_of(*x.spec) +
         task.group * plan_.layout.in;
}

const int8_t* QuantizedLayer::slab_at(const ConvTask& task, int64_t slab) const {
  return constants_.weights->data() + (task.group * plan_.layout.slabs() + slab) * plan_.slab_rows() * kSlab;
}

const std::byte* QuantizedLayer::order_at(const ConvTask& task, int64_t slab, int64_t block) const {
  const int64_t index = (task.group * plan_.layout.slabs() + slab) * kSlabBlocks + block;
  return constants_.orders->data() + index * plan_.dense.taps * quad_order_bytes(plan_.dense.padded / 4);
}

int64_t QuantizedLayer::output_at(const ConvTask& task, int64_t slab) const {
  return (task.group * plan_.layout.slabs() + slab) * kSlab;
}

RequantizeArgs QuantizedLayer::epilogue_at(const RunContext& context, const ConvTask& task, int64_t slab,
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

void QuantizedLayer::finish_slab(const RunContext& context, const ConvTask& task, int64_t slab,
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
    for (int64_t column = columns; column < kSlab; column += 16)  // of a fixed size: no call
      std::fill_n(args.y + pixel * args.y_stride + column, 16, uint8_t{0});
}

}  // namespace zeroskip
