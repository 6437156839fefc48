// activation: a pointwise function that could not be fused into the step before it.
#include <limits>

#include "ops/epilogue.h"
#include "ops/ops.h"
#include "ops/pointwise.h"
#include "ops/shapes.h"

namespace zeroskip {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Pointwise fatrelu(const StepSpec& step, const BuildContext& context) {
  Epilogue epilogue = parse_fatrelu(step, output_channels(step, context));
  Pointwise pointwise = with_kernel("fatrelu", step, context);
  pointwise.thresholds = std::move(epilogue.thresholds);
  pointwise.args.max_value = epilogue.max_value;
  return pointwise;
}

Pointwise clip(const StepSpec& step, const BuildContext& context) {
  Pointwise pointwise = with_kernel("clip", step, context);
  pointwise.args.min_value = static_cast<float>(step.get_float("min_value", -kInfinity));
  pointwise.args.max_value = static_cast<float>(step.get_float("max_value", kInfinity));
  return pointwise;
}

Pointwise hardsigmoid(const StepSpec& step, const BuildContext& context) {
  Pointwise pointwise = with_kernel("hardsigmoid", step, context);
  pointwise.args.alpha = static_cast<float>(step.get_float("alpha", 0.2));  // ONNX defaults
  pointwise.args.beta = static_cast<float>(step.get_float("beta", 0.5));
  return pointwise;
}

// y = x where x > 0, else x times the slope of its channel.
Pointwise prelu(const StepSpec& step, const BuildContext& context) {
  const int64_t channels = output_channels(step, context);
  Pointwise pointwise = with_kernel("prelu", step, context);
  pointwise.scale = pad_channels(step.get_constant("slope", {channels}));
  pointwise.args.max_value = static_cast<float>(kInfinity);
  return pointwise;
}

// Functions with the attributes of ONNX: elu(x) = gamma * (x > 0 ? x : alpha * (exp(x) - 1)), celu.
Pointwise exponential_unit(const char* kind, const StepSpec& step, const BuildContext& context) {
  Pointwise pointwise = with_kernel(kind, step, context);
  pointwise.args.alpha = static_cast<float>(step.get_float("alpha", 1.0));
  pointwise.args.beta = static_cast<float>(step.get_float("gamma", 1.0));
  return pointwise;
}

constexpr const char* kPlain[] = {
    "abs",  "ceil",       "cos",   "erf",     "exp",  "floor", "gelu",     "gelu_tanh", "hardswish", "log",
    "mish", "reciprocal", "round", "sigmoid", "sign", "sin",   "softplus", "softsign",  "sqrt",      "tanh"};

Pointwise select(const StepSpec& step, const BuildContext& context) {
  const std::string kind = step.get_string("kind", "");
  if (kind == "fatrelu") return fatrelu(step, context);
  if (kind == "clip") return clip(step, context);
  if (kind == "hardsigmoid") return hardsigmoid(step, context);
  if (kind == "prelu") return prelu(step, context);
  if (kind == "elu" || kind == "celu") return exponential_unit(kind.c_str(), step, context);
  std::string names = "fatrelu, clip, hardsigmoid, prelu, elu, celu";
  for (const char* plain : kPlain) {
    if (kind == plain) return with_kernel(plain, step, context);
    names += std::string(", ") + plain;
  }
  throw_error("kind is '", kind, "', needs one of ", names);
}

}  // namespace

std::unique_ptr<Op> make_activation(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<PointwiseOp>(select(step, context), step, context);
}

}  // namespace zeroskip
