#include "ops/requantize.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace zeroskip {
namespace {

constexpr float kNoClip = 32767.0f;
constexpr int64_t kPaddedTo = traits(DataType::kU8).channel_block;

float get_scale(const StepSpec& step, const char* name) {
  const double value = step.get_float(name, 1.0);
  check(std::isfinite(value) && value > 0.0, name, " must be positive and finite, got ", value);
  return static_cast<float>(value);
}

RequantizeArgs parse_shared(const StepSpec& step) {
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

}  // namespace

OutputLayout plain_outputs(int64_t channels) {
  const int64_t padded = round_up(channels, kPaddedTo);
  return {channels, channels, padded, padded};
}

int64_t get_zero_point(const StepSpec& step, const char* name) {
  const int64_t value = step.get_int(name, 0);
  check(value >= 0 && value <= 255, name, " must be in [0, 255], got ", value);
  return value;
}

RequantizeArgs Requantizer::at(int64_t index) const {
  RequantizeArgs args = shared;
  args.multipliers = multipliers->data() + index;
  args.zero_points = zero_points->data() + index;
  if (thresholds) args.thresholds = thresholds->data() + index;
  return args;
}

Requantizer parse_requantizer(const StepSpec& step, const OutputLayout& outputs) {
  Requantizer made{};
  made.shared = parse_shared(step);
  const auto* multipliers = find_values<float>(step, "multipliers", outputs.outputs);
  check(multipliers != nullptr, "constant 'multipliers' is missing");
  for (int64_t o = 0; o < outputs.outputs; ++o)
    check(std::isfinite(multipliers[o]) && multipliers[o] >= 0.0f,
          "multipliers must be finite and not negative, got ", multipliers[o]);
  made.multipliers = pack_outputs<float>(outputs, multipliers, 0, 0);
  const auto zero_point = static_cast<int16_t>(get_zero_point(step, "y_zero_point"));
  made.zero_points = pack_outputs<int16_t>(outputs, nullptr, zero_point, std::numeric_limits<int16_t>::min());
  const std::string activation = step.get_string("activation", "none");
  check(activation == "none" || activation == "fatrelu", "activation is '", activation,
        "', needs 'none' or 'fatrelu'");
  if (activation == "none") return made;
  const auto* thresholds = find_values<float>(step, "thresholds", outputs.outputs);
  check(thresholds != nullptr, "constant 'thresholds' is missing");
  for (int64_t o = 0; o < outputs.outputs; ++o)
    check(thresholds[o] >= 0.0f, "thresholds must not be negative or NaN, got ", thresholds[o]);
  made.thresholds = pack_outputs<float>(outputs, thresholds, 0, 0);
  return made;
}

}  // namespace zeroskip
