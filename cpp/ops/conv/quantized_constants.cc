#include "ops/conv/quantized_constants.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace zeroskip {
namespace {

constexpr float kNoClip = 32767.0f;

float get_scale(const StepSpec& step, const char* name) {
  const double value = step.get_float(name, 1.0);
  check(std::isfinite(value) && value > 0.0, name, " must be positive and finite, got ", value);
  return static_cast<float>(value);
}

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
          const int64_t row = plan.gathers_input ? (ky * g.kw + kx) * g.c + c
                                                 : (ky * g.kw + kx) * plan.layout.in + first_in + c;
          slab[row * kSlab + o - first] = *source++;
        }
  }
}

PackedValues<int8_t> pack_weights(const QuantizedConvPlan& plan, const int8_t* weight) {
  const int64_t slab_bytes = plan.geometry.taps() * plan.layout.in * kSlab, slabs = plan.layout.slabs();
  PackedValues<int8_t> packed(static_cast<size_t>(plan.layout.groups * slabs * slab_bytes));
  parallel_for(plan.num_threads, plan.layout.groups * slabs, [&](int64_t slab, int) {
    const int64_t group = slab / slabs;
    pack_slab(plan, weight, group, group * plan.layout.out + slab % slabs * kSlab,
              packed.data() + slab * slab_bytes);
  });
  return packed;
}

// values[o] or, where there are none, `each` of all outputs; `padding` of those that pad a slab.
template <typename T>
SharedValues<T> pack_outputs(const QuantizedConvPlan& plan, const T* values, T each, T padding) {
  const int64_t padded = plan.layout.slabs() * kSlab;
  PackedValues<T> packed(static_cast<size_t>(plan.layout.groups * padded));
  std::fill_n(packed.data(), plan.layout.groups * padded, padding);
  for (int64_t o = 0; o < plan.geometry.o; ++o)
    packed.data()[o / plan.layout.out * padded + o % plan.layout.out] = values ? values[o] : each;
  return std::make_shared<const PackedValues<T>>(std::move(packed));
}

template <typename T>
const T* find_values(const StepSpec& step, const char* role, int64_t count) {
  const ConstantView* constant = step.find_constant(role);
  if (!constant) return nullptr;
  check(constant->elements() == count, "constant '", role, "' must hold one value per output channel");
  return constant->as<T>();
}

}  // namespace

RequantizeArgs parse_requantize(const StepSpec& step) {
  RequantizeArgs args{};
  args.residual_scale = get_scale(step, "residual_scale");
  args.residual_zero = static_cast<float>(get_zero_point(step, "residual_zero_point"));
  args.rounds_sum = step.attributes.contains("sum_scale");
  args.sum_scale = get_scale(step, "sum_scale");
  const auto sum_zero = static_cast<float>(get_zero_point(step, "sum_zero_point"));
  args.sum_min = 0.0f - sum_zero, args.sum_max = 255.0f - sum_zero;
  const double max_value = step.get_float("max_value", std::numeric_limits<double>::infinity());
  check(max_value >= 0.0, "max_value must not be negative or NaN, got ", max_value);
  args.max_value = std::min(static_cast<float>(max_value), kNoClip);
  return args;
}

QuantizedConvConstants pack_quantized_constants(const QuantizedConvPlan& plan, const StepSpec& step,
                                                const BuildContext& context) {
  const int64_t outputs = plan.geometry.o;
  const ConstantView& weight = *step.find_constant("weight");
  const std::string key = weight.name + form_of(plan) + (plan.gathers_input ? "/u8 rows" : "/u8 slabs");
  QuantizedConvConstants constants{};
  constants.epilogue = parse_requantize(step);
  const int8_t* values = weight.as<int8_t>();
  constants.weights = context.weights.get(key, [&] { return pack_weights(plan, values); });
  constants.bias = pack_outputs<int32_t>(plan, find_values<int32_t>(step, "bias", outputs), 0, 0);
  const auto* multipliers = find_values<float>(step, "multipliers", outputs);
  check(multipliers != nullptr, "constant 'multipliers' is missing");
  for (int64_t o = 0; o < outputs; ++o)
    check(std::isfinite(multipliers[o]) && multipliers[o] >= 0.0f,
          "multipliers must be finite and not negative, got ", multipliers[o]);
  constants.multipliers = pack_outputs<float>(plan, multipliers, 0, 0);
  const auto zero_point = static_cast<int16_t>(get_zero_point(step, "y_zero_point"));
  constants.zero_points =
      pack_outputs<int16_t>(plan, nullptr, zero_point, std::numeric_limits<int16_t>::min());
  const std::string activation = step.get_string("activation", "none");
  check(activation == "none" || activation == "fatrelu", "activation is '", activation,
        "', needs 'none' or 'fatrelu'");
  if (activation == "fatrelu") {
    const auto* thresholds = find_values<float>(step, "thresholds", outputs);
    check(thresholds != nullptr, "constant 'thresholds' is missing");
    for (int64_t o = 0; o < outputs; ++o)
      check(thresholds[o] >= 0.0f, "thresholds must not be negative or NaN, got ", thresholds[o]);
    constants.thresholds = pack_outputs<float>(plan, thresholds, 0, 0);
  }
  return constants;
}

}  // namespace zeroskip
