#include "ops/conv/quantized_quads.h"

#include <algorithm>

#include "ops/conv/quantized_input.h"

namespace zeroskip {

void QuantizedQuadConv::run(const RunContext& context, const ConvTask& task,
                            const QuantizedThreadScratch& scratch) const {
  const QuantizedConvPlan& plan = layer_.plan();
  const uint8_t* const* pixels = point_at_bytes(layer_, context.inputs[0], task, scratch);
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
