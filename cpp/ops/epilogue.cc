#include "ops/epilogue.h"

#include <algorithm>
#include <limits>

namespace zeroskip {

AlignedFloats pad_channels(const ConstantView& constant) {
  AlignedFloats padded(
      static_cast<size_t>(round_up(static_cast<int64_t>(constant.values.size()), kChannelBlock)));
  std::copy(constant.values.begin(), constant.values.end(), padded.data());
  return padded;
}

Epilogue parse_fatrelu(const StepSpec& step, int64_t channels) {
  const ConstantView& thresholds = step.get_constant("thresholds", {channels});
  for (const float threshold : thresholds.values)
    check(threshold >= 0.0f, "thresholds must not be negative or NaN, got ", threshold);
  const double max_value = step.get_float("max_value", std::numeric_limits<double>::infinity());
  check(max_value >= 0.0, "max_value must not be negative or NaN, got ", max_value);
  return {.thresholds = pad_channels(thresholds), .max_value = static_cast<float>(max_value)};
}

Epilogue parse_epilogue(const StepSpec& step, int64_t channels) {
  const std::string activation = step.get_string("activation", "none");
  if (activation == "fatrelu") return parse_fatrelu(step, channels);
  check(activation == "none", "activation is '", activation, "', needs 'none' or 'fatrelu'");
  return {.thresholds = {}, .max_value = std::numeric_limits<float>::infinity()};
}

}  // namespace zeroskip
