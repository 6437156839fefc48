#include "ops/conv/constants.h"

#include "base/memory.h"
#include "ops/epilogue.h"

namespace zeroskip {
namespace {

// One constant may serve convolutions of different grouping.
std::string form_of(const GroupLayout& layout) {
  return "/" + std::to_string(layout.groups) + "x" + std::to_string(layout.in) + "x" +
         std::to_string(layout.out);
}

SharedWeights pack_weights(const ConvPlan& plan, const ConstantView& weight, const BuildContext& context) {
  const std::string key = weight.name + form_of(plan.layout) + (plan.gathers_input ? "/rows" : "/slabs");
  return shared_weights(context, key, plan.storage, [&] {
    const auto pack = plan.gathers_input ? pack_conv_rows : pack_conv_weights;
    return pack(plan.geometry, plan.layout, weight.values.data(), plan.num_threads);
  });
}

// Values per output channel; the last part of the key keeps what is absent apart from a constant called
// "zeros".
WeightStore::Packed pack_channels(const ConvPlan& plan, const ConstantView* constant, const float* values,
                                  const BuildContext& context) {
  const std::string form = form_of(plan.layout);
  return context.weights.get(constant ? constant->name + form + "/padded" : form + "/absent",
                             [&] { return pack_per_channel(plan.layout, values, 0.0f); });
}

WeightStore::Packed pack_residual(const ConvGeometry& g, const ConstantView& map,
                                  const BuildContext& context) {
  return context.weights.get(map.name + "/map", [&] {
    const int64_t stride = round_up(g.o, kChannelBlock), pixels = g.oh * g.ow;
    AlignedFloats packed(static_cast<size_t>(checked_product({pixels, stride})));
    for (int64_t channel = 0; channel < g.o; ++channel)
      for (int64_t pixel = 0; pixel < pixels; ++pixel)
        packed.data()[pixel * stride + channel] = map.values[static_cast<size_t>(channel * pixels + pixel)];
    return packed;
  });
}

}  // namespace

ConvConstants pack_constants(const ConvPlan& plan, const StepSpec& step, const BuildContext& context) {
  const ConvGeometry& g = plan.geometry;
  ConvConstants constants{};
  constants.residual_pixels = g.n * g.oh * g.ow;
  if (step.find_constant("residual") != nullptr) {
    check(step.inputs.size() == 1, "takes a residual as input or as constant, not both");
    check(!g.is_pointwise(), "a pointwise convolution takes no constant residual");  // its tiles cross images
    const TensorSpec& y = context.output(step, 0);
    const ConstantView& map = step.get_constant("residual", {y.c(), y.h(), y.w()});
    constants.residual = pack_residual(g, map, context);
    constants.residual_pixels = g.oh * g.ow;
  }
  const ConstantView* bias = step.find_constant("bias");
  check(!bias || bias->values.size() == static_cast<size_t>(g.o),
        "bias must hold one value per output channel");
  const Epilogue epilogue = parse_epilogue(step, g.o);
  constants.weights = pack_weights(plan, *step.find_constant("weight"), context);
  constants.zeros = context.weights.get("zeros/" + std::to_string(plan.layout.in),
                                        [&] { return AlignedFloats(static_cast<size_t>(plan.layout.in)); });
  constants.bias = pack_channels(plan, bias, bias ? bias->values.data() : nullptr, context);
  constants.max_value = epilogue.max_value;
  if (const float* thresholds = epilogue.thresholds_or_null())
    constants.thresholds = pack_channels(plan, step.find_constant("thresholds"), thresholds, context);
  return constants;
}

const std::byte* ConvLayer::weights_at(int64_t group, int64_t block, int64_t tap, int64_t channel) const {
  const int64_t slab = group * plan_.layout.slabs() + block * kChannelBlock / kSlab;
  const int64_t row = (slab * plan_.dense.taps + tap) * plan_.dense.channels + channel;
  return constants_.weights->at(row * kSlab + block * kChannelBlock % kSlab);
}

const float* ConvLayer::bias_at(int64_t group, int64_t block) const {
  return constants_.bias->data() + group * plan_.layout.slabs() * kSlab + block * kChannelBlock;
}

ConvEpilogueArgs ConvLayer::epilogue_at(const ConvOperands& operands, const ConvTask& task, int64_t block,
                                        int64_t row) const {
  const ConvTile& tile = task.tile;
  const int64_t pixel = (tile.n * plan_.geometry.oh + tile.oy + row) * plan_.geometry.ow + tile.ox;
  const int64_t channel = task.group * plan_.layout.out + block * kChannelBlock;
  ConvEpilogueArgs args{};
  if (operands.residual)
    args.residual =
        operands.residual + pixel % constants_.residual_pixels * operands.residual_stride + channel;
  args.residual_stride = operands.residual_stride;
  if (constants_.thresholds)
    args.thresholds = constants_.thresholds->data() + (bias_at(task.group, block) - constants_.bias->data());
  args.max_value = constants_.max_value;
  args.y = operands.y + pixel * operands.y_stride + channel;
  args.y_stride = operands.y_stride;
  if (operands.y_mask) args.mask = operands.y_mask + pixel * operands.y_mask_stride + channel / kChannelBlock;
  args.mask_stride = operands.y_mask_stride;
  return args;
}

}  // namespace zeroskip
