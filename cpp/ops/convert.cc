// convert: float32 to bf16, rounded to nearest even, and back.
#include "kernels/lookup.h"
#include "ops/mask.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

// From elements of X to elements of Y, which have one shape and layout.
template <typename X, typename Y>
class Convert final : public Op {
 public:
  using Function = void (*)(const ConvertArgs&, const X*, Y*);

  Convert(const StepSpec& step, const BuildContext& context)
      : kernel_(get_kernel<Function>(context.kernels,
                                     {.kind = data_type_of<X> == DataType::kBf16 ? "extend" : "narrow"})),
        mask_(context.kernels, context.output(step, 0)) {
    require_same_layout(context.input(step, 0), context.output(step, 0));
    require_shape(context.output(step, 0), context.input(step, 0).shape);
  }

  void run(const RunContext& context) const override {
    const Tensor& x = context.inputs[0];
    const Tensor& y = context.outputs[0];
    const bool is_map = y.spec->layout == Layout::kNhwc;
    const Split split = is_map ? split_items(y.spec->pixels(), y.spec->padded_c(), context.num_threads)
                               : split_items(y.spec->elements(), 1, context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      const int64_t first = split.begin(task), count = split.count(task);
      const int64_t x_stride = is_map ? x.spec->pixel_stride : 1,
                    y_stride = is_map ? y.spec->pixel_stride : 1;
      kernel_.function({.pixels = is_map ? count : 1,
                        .channels = is_map ? y.spec->c() : count,
                        .padded = is_map ? y.spec->padded_c() : count,
                        .x_stride = x_stride,
                        .y_stride = y_stride},
                       x.template as<X>() + first * x_stride, y.template as<Y>() + first * y_stride);
      if (is_map) mask_.write(y, first, count);
    });
  }
  std::string kernel_name() const override { return kernel_.name; }

 private:
  Kernel<Function> kernel_;
  MaskWriter mask_;
};

}  // namespace

std::unique_ptr<Op> make_convert(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  if (context.input(step, 0).dtype == DataType::kBf16)
    return std::make_unique<Convert<Bf16, float>>(step, context);
  return std::make_unique<Convert<float, Bf16>>(step, context);
}

}  // namespace zeroskip
