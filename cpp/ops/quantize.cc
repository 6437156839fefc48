// quantize, dequantize: float32 to u8 steps of one scale, and back.
#include <cmath>

#include "kernels/lookup.h"
#include "ops/mask.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

QuantizeArgs parse_steps(const StepSpec& step) {
  const int64_t zero_point = step.get_int("zero_point");
  const auto scale = static_cast<float>(step.get_float("scale", 0.0));
  check(scale > 0 && std::isfinite(scale), "scale is ", scale, ", needs a finite number above 0");
  check(zero_point >= 0 && zero_point <= 255, "zero_point is ", zero_point, ", needs 0 to 255");
  return {.scale = scale, .zero_point = static_cast<int32_t>(zero_point)};
}

// From elements of X to elements of Y, which have one shape and layout.
template <typename X, typename Y>
class Requantized final : public Op {
 public:
  using Function = void (*)(const QuantizeArgs&, const X*, Y*);

  Requantized(const StepSpec& step, const BuildContext& context)
      : kernel_(get_kernel<Function>(context.kernels, {.kind = step.op, .input = data_type_of<X>})),
        mask_(context.kernels, context.output(step, 0)),
        args_(parse_steps(step)) {
    require_same_layout(context.input(step, 0), context.output(step, 0));
    require_shape(context.output(step, 0), context.input(step, 0).shape);
  }

  void run(const RunContext& context) const override {
    if (context.outputs[0].spec->layout == Layout::kNhwc) return run_nhwc(context);
    const X* x = context.inputs[0].template as<X>();
    Y* y = context.outputs[0].template as<Y>();
    const Split split = split_items(context.outputs[0].spec->elements(), 1, context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      QuantizeArgs args = args_;
      args.pixels = 1;
      args.channels = args.padded = split.count(task);
      kernel_.function(args, x + split.begin(task), y + split.begin(task));
    });
  }
  std::string kernel_name() const override { return kernel_.name; }

 private:
  void run_nhwc(const RunContext& context) const {
    const Tensor& x = context.inputs[0];
    const Tensor& y = context.outputs[0];
    const Split split = split_items(y.spec->pixels(), y.spec->padded_c(), context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      const int64_t pixel = split.begin(task);
      QuantizeArgs args = args_;
      args.pixels = split.count(task);
      args.channels = y.spec->c();
      args.padded = y.spec->padded_c();
      args.x_stride = x.spec->pixel_stride;
      args.y_stride = y.spec->pixel_stride;
      kernel_.function(args, x.template as<X>() + pixel * args.x_stride,
                       y.template as<Y>() + pixel * args.y_stride);
      mask_.write(y, pixel, args.pixels);
    });
  }

  Kernel<Function> kernel_;
  MaskWriter mask_;
  QuantizeArgs args_;
};

}  // namespace

std::unique_ptr<Op> make_quantize(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<Requantized<float, uint8_t>>(step, context);
}

std::unique_ptr<Op> make_dequantize(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<Requantized<uint8_t, float>>(step, context);
}

}  // namespace zeroskip
