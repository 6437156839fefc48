#include "ops/conv/bf16_constants.h"

#include <algorithm>
#include <bit>

#include "ops/epilogue.h"

namespace zeroskip {
namespace {

Bf16 round_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >>
                                16)};  // no NaN: models with such are refused
}

// Of one slab, [tap][channel][64].
void pack_slab(const Bf16ConvPlan& plan, int64_t lanes, const float* weight, int64_t group, int64_t first,
               Bf16* slab) {
  const ConvGeometry& g = plan.geometry;
  const int64_t in_original = g.c / g.groups, out_original = g.o / g.groups, taps = g.taps();
  const int64_t last = std::min(first + kSlab, (group + 1) * plan.layout.out);
  for (int64_t o = first; o < last; ++o) {
    const int64_t first_in = o / out_original * in_original - group * plan.layout.in;
    const float* source = weight + o * in_original * taps;
    Bf16* column = slab + first_in * kSlab + bf16_position(o - first, lanes);
    for (int64_t c = 0; c < in_original; ++c)
      for (int64_t tap = 0; tap < taps; ++tap)
        column[(tap * plan.even + c) * kSlab] = round_to_bf16(*source++);
  }
}

PackedValues<Bf16> pack_weights(const Bf16ConvPlan& plan, int64_t lanes, const float* weight) {
  const int64_t slab_size = plan.geometry.taps() * plan.even * kSlab, slabs = plan.layout.slabs();
  PackedValues<Bf16> packed(static_cast<size_t>(plan.layout.groups * slabs * slab_size));
  std::fill_n(packed.data(), plan.layout.groups * slabs * slab_size, Bf16{0});
  parallel_for(plan.num_threads, plan.layout.groups * slabs, [&](int64_t slab, int) {
    const int64_t group = slab / slabs;
    pack_slab(plan, lanes, weight, group, group * plan.layout.out + slab % slabs * kSlab,
              packed.data() + slab * slab_size);
  });
  return packed;
}

SharedValues<Bf16> make_zeros(int64_t count) {
  PackedValues<Bf16> zeros(static_cast<size_t>(count));
  std::fill_n(zeros.data(), count, Bf16{0});
  return std::make_shared<const PackedValues<Bf16>>(std::move(zeros));
}

}  // namespace

Bf16ConvConstants pack_bf16_constants(const Bf16ConvPlan& plan, const StepSpec& step,
                                      const BuildContext& context) {
  const GroupLayout& layout = plan.layout;
  const int64_t padded = layout.slabs() * kSlab;
  const OutputLayout outputs{plan.geometry.o, layout.out, padded, layout.groups * padded};
  const ConstantView& weight = *step.find_constant("weight");
  const std::string key = weight.name + "/" + std::to_string(layout.groups) + "x" +
                          std::to_string(layout.in) + "x" + std::to_string(layout.out) + "/bf16 slabs";
  const auto* values = weight.as<float>();
  const Epilogue epilogue = parse_epilogue(step, plan.geometry.o);
  const float* thresholds = epilogue.thresholds_or_null();
  return {
      .weights = context.weights.get(key, [&] { return pack_weights(plan, context.kernels.lanes, values); }),
      .bias = pack_outputs<float>(outputs, find_values<float>(step, "bias", plan.geometry.o), 0, 0),
      .thresholds = thresholds ? pack_outputs<float>(outputs, thresholds, 0, 0) : nullptr,
      .max_value = epilogue.max_value,
      .zeros = make_zeros(plan.even)};
}

}  // namespace zeroskip
