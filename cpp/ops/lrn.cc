// lrn: local response normalisation across channels.
#include "kernels/lookup.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

class Lrn final : public Op {
 public:
  Lrn(const StepSpec& step, const BuildContext& context)
      : kernel_(get_kernel<LrnFn>(context.kernels, {.kind = "lrn", .input = context.input(step, 0).dtype})),
        num_threads_(context.num_threads) {
    const TensorSpec& x = context.input(step, 0);
    require_layout(x, Layout::kNhwc);
    require_layout(context.output(step, 0), Layout::kNhwc);
    require_shape(context.output(step, 0), x.shape);
    args_.size = step.get_int("size");
    check(args_.size >= 1 && args_.size <= 4096, "size must be in [1, 4096], got ", args_.size);
    args_.alpha = static_cast<float>(step.get_float("alpha", 1e-4));  // ONNX defaults
    args_.beta = static_cast<float>(step.get_float("beta", 0.75));
    args_.bias = static_cast<float>(step.get_float("bias", 1.0));
    scratch_floats_ = round_up(x.padded_c() + 2 * args_.size, kChannelBlock);
  }

  void run(const RunContext& context) const override {
    const Tensor& x = context.inputs[0];
    const Tensor& y = context.outputs[0];
    const Split split = split_items(y.spec->pixels(), y.spec->padded_c() * args_.size, context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int thread) {
      const int64_t pixel = split.begin(task);
      LrnArgs args = args_;
      args.squares = reinterpret_cast<float*>(context.scratch.data()) + thread * scratch_floats_;
      EltwiseArgs& pixels = args.pixels;
      pixels.pixels = split.count(task);
      pixels.channels = y.spec->c();
      pixels.x_stride = x.spec->pixel_stride;
      pixels.x = x.as<float>() + pixel * pixels.x_stride;
      pixels.y_stride = y.spec->pixel_stride;
      pixels.y = y.as<float>() + pixel * pixels.y_stride;
      pixels.mask_stride = y.spec->mask_stride();
      if (y.mask) pixels.mask = y.mask + pixel * pixels.mask_stride;
      kernel_.function(args);
    });
  }
  size_t scratch_bytes() const override {
    return static_cast<size_t>(scratch_floats_ * num_threads_) * sizeof(float);
  }
  std::string kernel_name() const override { return kernel_.name; }

 private:
  Kernel<LrnFn> kernel_;
  int num_threads_;
  LrnArgs args_;
  int64_t scratch_floats_;
};

}  // namespace

std::unique_ptr<Op> make_lrn(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<Lrn>(step, context);
}

}  // namespace zeroskip
