#include "ops/conv/quantized_constants.h"

#include <algorithm>

#include "kernels/qconv/quad_order.h"

namespace zeroskip {
namespace {

std::string form_of(const QuantizedConvPlan& plan) {
  const GroupLayout& layout = plan.layout;
  return "/" + std::to_string(layout.groups) + "x" + std::to_string(layout.in) + "x" +
         std::to_string(layout.out);
}

// Of one slab, [tap][channel][64].
void pack_slab(const QuantizedConvPlan& plan, const int8_t* weight, int64_t group, int64_t first,
               int8_t* slab) {
  const ConvGeometry& g = plan.geometry;
  const int64_t in_original = g.c / g.groups, out_original = g.o / g.groups;
  const int64_t last = std::min(first + kSlab, (group + 1) * plan.layout.out);
  for (int64_t o = first; o < last; ++o) {
    const int64_t first_in = o / out_original * in_original - group * plan.layout.in;
    const int8_t* source = weight + o * in_original * g.taps();
    for (int64_t c = 0; c < in_original; ++c)
      for (int64_t ky = 0; ky < g.kh; ++ky)
        for (int64_t kx = 0; kx < g.kw; ++kx) {
          const int64_t row = plan.gathers_input ? ky * plan.kernel_row() + kx * g.c + c
                                                 : (ky * g.kw + kx) * plan.layout.in + first_in + c;
          slab[row * kSlab + o - first] = *source++;
        }
  }
}

PackedValues<int8_t> pack_weights(const QuantizedConvPlan& plan, const int8_t* weight) {
  const int64_t slab_bytes = plan.slab_rows() * kSlab, slabs = plan.layout.slabs();
  PackedValues<int8_t> packed(static_cast<size_t>(plan.layout.groups * slabs * slab_bytes));
  parallel_for(plan.num_threads, plan.layout.groups * slabs, [&](int64_t slab, int) {
    const int64_t group = slab / slabs;
    pack_slab(plan, weight, group, group * plan.layout.out + slab % slabs * kSlab,
              packed.data() + slab * slab_bytes);
  });
  return packed;
}

PackedValues<std::byte> order_weights(const QuantizedConvPlan& plan, const int8_t* slabs) {
  const QuantizedDensePlan& dense = plan.dense;
  const int64_t bytes = quad_order_bytes(dense.padded / 4), count = plan.layout.groups * plan.layout.slabs();
  PackedValues<std::byte> orders(static_cast<size_t>(count * kSlabBlocks * dense.taps * bytes));
  parallel_for(plan.num_threads, count, [&](int64_t slab, int) {
    const int8_t* rows = slabs + slab * plan.slab_rows() * kSlab;
    std::byte* order = orders.data() + slab * kSlabBlocks * dense.taps * bytes;
    for (int64_t block = 0; block < kSlabBlocks; ++block)
      for (int64_t tap = 0; tap < dense.taps; ++tap, order += bytes)
        order_quads(rows + tap * dense.channels * kSlab + block * 16, dense.channels, order);
  });
  return orders;
}

// bias - zero_point * (sum of an output's weights).
SharedValues<int32_t> shift_bias(const QuantizedConvPlan& plan, const PackedValues<int32_t>& bias,
                                 const PackedValues<int8_t>& weights) {
  const GroupLayout& layout = plan.layout;
  const int64_t rows = plan.slab_rows(), count = layout.groups * layout.slabs() * kSlab;
  PackedValues<int32_t> shifted(static_cast<size_t>(count));
  for (int64_t o = 0; o < count; ++o) {
    const int8_t* weight = weights.data() + o / kSlab * rows * kSlab + o % kSlab;
    int64_t sum = 0;
    for (int64_t row = 0; row < rows; ++row) sum += weight[row * kSlab];
    shifted.data()[o] = static_cast<int32_t>(bias.data()[o] - plan.x_zero_point * sum);
  }
  return std::make_shared<const PackedValues<int32_t>>(std::move(shifted));
}

}  // namespace

QuantizedConvConstants pack_quantized_constants(const QuantizedConvPlan& plan, const StepSpec& step,
                                                const BuildContext& context) {
  const GroupLayout& layout = plan.layout;
  const int64_t padded = layout.slabs() * kSlab;
  const OutputLayout outputs{plan.geometry.o, layout.out, padded, layout.groups * padded};
  const ConstantView& weight = *step.find_constant("weight");
  const std::string key =
      weight.name + form_of(plan) +
      (plan.gathers_input ? "/u8 rows of " + std::to_string(plan.kernel_row()) : "/u8 slabs");
  const int8_t* values = weight.as<int8_t>();
  QuantizedConvConstants constants{};
  constants.weights = context.weights.get(key, [&] { return pack_weights(plan, values); });
  if (plan.dense.products == DenseProducts::kBytes)
    constants.orders =
        context.weights.get(key + "/orders", [&] { return order_weights(plan, constants.weights->data()); });
  constants.bias = pack_outputs<int32_t>(outputs, find_values<int32_t>(step, "bias", plan.geometry.o), 0, 0);
  constants.shifted_bias = constants.bias;
  const bool multiplies_bytes = plan.dense.reads_bytes() || plan.algorithm != ConvAlgorithm::kDense;
  if (plan.x_zero_point != 0 && multiplies_bytes)
    constants.shifted_bias = shift_bias(plan, *constants.bias, *constants.weights);
  if (plan.dense.reads_bytes() || (plan.x_zero_point != 0 && multiplies_bytes)) {
    const OutputLayout channels{layout.in, layout.in, layout.in, round_up(layout.in, kSlab)};
    constants.outside = pack_outputs<uint8_t>(channels, nullptr, plan.x_zero_point, 0);
  }
  constants.requantizer = parse_requantizer(step, outputs);
  return constants;
}

}  // namespace zeroskip
