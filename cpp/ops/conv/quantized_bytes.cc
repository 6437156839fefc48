#include "ops/conv/quantized_bytes.h"

#include <algorithm>

#include "ops/conv/quantized_input.h"

namespace zeroskip {

void QuantizedByteConv::run(const RunContext& context, const ConvTask& task,
                            const QuantizedThreadScratch& scratch) const {
  const QuantizedDensePlan& dense = layer_.plan().dense;
  const uint8_t* const* pixels = point_at_bytes(layer_, context.inputs[0], task, scratch);
  QdbytesArgs args{};
  args.count = task.tile.pixels(), args.group_stride = dense.taps * kQconvPixels;
  args.order_stride = quad_order_bytes(dense.padded / 4);
  args.weights = scratch.weights, args.acc = scratch.acc, args.acc_stride = kSlab;
  for (int64_t slab = task.first_block / kSlabBlocks; slab * kSlabBlocks < task.last_block; ++slab) {
    const int64_t blocks = std::min(kSlabBlocks, layer_.plan().layout.blocks() - slab * kSlabBlocks);
    const RequantizeArgs outputs = layer_.epilogue_at(context, task, slab, scratch.y);
    for (int64_t block = 0; block < blocks; ++block) {
      const RequantizeArgs epilogue = advance_outputs(outputs, block * 16);
      const int32_t* bias =
          layer_.constants().shifted_bias->data() + layer_.output_at(task, slab) + block * 16;
      for (int64_t tap = 0; tap < dense.taps; tap += dense.tap_step) {
        args.taps = std::min(dense.tap_step, dense.taps - tap);
        args.pixels = pixels + tap * kQconvPixels;
        args.orders = layer_.order_at(task, slab, block) + tap * args.order_stride;
        std::byte* to = scratch.weights;
        for (int64_t t = 0; t < args.taps; ++t)
          to = layer_.kernels().s8_expand_ordered(
              {.channels = dense.channels,
               .order = args.orders + t * args.order_stride,
               .from = layer_.slab_at(task, slab) + (tap + t) * dense.channels * kSlab + block * 16,
               .to = to});
        args.bias = tap == 0 ? bias : nullptr;
        args.epilogue = tap + args.taps == dense.taps ? &epilogue : nullptr;
        kernel_.function(args);
      }
    }
    layer_.finish_slab(context, task, slab, blocks * 16, scratch.y);
  }
}

}  // namespace zeroskip
