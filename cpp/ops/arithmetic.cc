// add, mul, affine.
#include "ops/epilogue.h"
#include "ops/ops.h"
#include "ops/pointwise.h"
#include "ops/shapes.h"

namespace zeroskip {
namespace {

void set_epilogue(Pointwise& pointwise, Epilogue epilogue) {
  pointwise.thresholds = std::move(epilogue.thresholds);
  pointwise.args.max_value = epilogue.max_value;
}

}  // namespace

// y = act(a + b).
std::unique_ptr<Op> make_add(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 2, 1);
  Pointwise pointwise = with_kernel("add", step, context);
  set_epilogue(pointwise, parse_epilogue(step, output_channels(step, context)));
  return std::make_unique<PointwiseOp>(std::move(pointwise), step, context);
}

// y = a * b; b may be one pixel per image (a squeeze-and-excitation gate).
std::unique_ptr<Op> make_mul(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 2, 1);
  return std::make_unique<PointwiseOp>(with_kernel("mul", step, context), step, context);
}

// y = act(x * scale + bias), per channel.
std::unique_ptr<Op> make_affine(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  const int64_t channels = output_channels(step, context);
  Pointwise pointwise = with_kernel("affine", step, context);
  pointwise.scale = pad_channels(step.get_constant("scale", {channels}));
  pointwise.bias = pad_channels(step.get_constant("bias", {channels}));
  set_epilogue(pointwise, parse_epilogue(step, channels));
  return std::make_unique<PointwiseOp>(std::move(pointwise), step, context);
}

}  // namespace zeroskip
