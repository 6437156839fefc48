// quantized_add, requantize, quantized_global_avg_pool: u8 maps brought to another scale, with another one added, or
// averaged.
#include "kernels/lookup.h"
#include "ops/ops.h"
#include "ops/requantize.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

constexpr int64_t kBlock = 16;

// y = requantise(x - zero_point [+ residual]).
class QuantizedAdd final : public Op {
 public:
  QuantizedAdd(const StepSpec& step, const BuildContext& context)
      : kernel_(get_kernel<QaddFn>(context.kernels, {.kind = "qadd"})),
        zero_point_(static_cast<uint8_t>(get_zero_point(step, "x_zero_point"))) {
    const TensorSpec& y = context.output(step, 0);
    require_layout(y, Layout::kNhwc);
    for (size_t input = 0; input < step.inputs.size(); ++input) {
      require_layout(context.input(step, input), Layout::kNhwc);
      require_shape(context.input(step, input), y.shape);
    }
    requantizer_ = parse_requantizer(step, plain_outputs(y.c()));
  }

  void run(const RunContext& context) const override {
    const Tensor& x = context.inputs[0];
    const Tensor& y = context.outputs[0];
    const Split split = split_items(y.spec->pixels(), y.spec->padded_c(), context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      const int64_t pixel = split.begin(task);
      QaddArgs args{.pixels = split.count(task), .blocks = y.spec->padded_c() / kBlock};
      args.x_stride = x.spec->pixel_stride;
      args.x = x.as<uint8_t>() + pixel * args.x_stride;
      args.zero_point = zero_point_;
      args.epilogue = requantizer_.at(0);
      if (context.inputs.size() == 2) {
        args.epilogue.residual_stride = context.inputs[1].spec->pixel_stride;
        args.epilogue.residual = context.inputs[1].as<uint8_t>() + pixel * args.epilogue.residual_stride;
      }
      args.epilogue.y_stride = y.spec->pixel_stride;
      args.epilogue.y = y.as<uint8_t>() + pixel * args.epilogue.y_stride;
      kernel_.function(args);
    });
  }
  std::string kernel_name() const override { return kernel_.name; }

 private:
  Kernel<QaddFn> kernel_;
  uint8_t zero_point_;
  Requantizer requantizer_{};
};

class QuantizedGlobalPool final : public Op {
 public:
  QuantizedGlobalPool(const StepSpec& step, const BuildContext& context)
      : kernel_(get_kernel<QsumFn>(context.kernels, {.kind = "qsum"})),
        zero_point_(static_cast<uint8_t>(get_zero_point(step, "x_zero_point"))) {
    const TensorSpec& x = context.input(step, 0);
    require_layout(x, Layout::kNhwc);
    require_layout(context.output(step, 0), Layout::kNhwc);
    require_shape(context.output(step, 0), {x.n(), x.c(), 1, 1});
    check(x.h() * x.w() <= (int64_t{1} << 23), "a map of ", x.h() * x.w(), " pixels is too large");
    requantizer_ = parse_requantizer(step, plain_outputs(x.c()));
  }

  void run(const RunContext& context) const override {
    const Tensor& x = context.inputs[0];
    const Tensor& y = context.outputs[0];
    const int64_t pixels = x.spec->h() * x.spec->w();
    const Split blocks = split_items(x.spec->padded_c() / kBlock, pixels * kBlock, context.num_threads);
    parallel_for(context.num_threads, x.spec->n() * blocks.tasks(), [&](int64_t task, int) {
      const int64_t image = task / blocks.tasks(), range = task % blocks.tasks();
      const int64_t channel = blocks.begin(range) * kBlock;
      QsumArgs args{.pixels = pixels, .blocks = blocks.count(range)};
      args.x_stride = x.spec->pixel_stride;
      args.x = x.as<uint8_t>() + image * pixels * args.x_stride + channel;
      args.zero_point = zero_point_;
      args.epilogue = requantizer_.at(channel);
      args.epilogue.y = y.as<uint8_t>() + image * y.spec->pixel_stride + channel;
      kernel_.function(args);
    });
  }
  std::string kernel_name() const override { return kernel_.name; }

 private:
  Kernel<QsumFn> kernel_;
  uint8_t zero_point_;
  Requantizer requantizer_{};
};

}  // namespace

std::unique_ptr<Op> make_quantized_add(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 2, 1);
  return std::make_unique<QuantizedAdd>(step, context);
}

std::unique_ptr<Op> make_requantize(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<QuantizedAdd>(step, context);
}

std::unique_ptr<Op> make_quantized_global_avg_pool(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<QuantizedGlobalPool>(step, context);
}

}  // namespace zeroskip
