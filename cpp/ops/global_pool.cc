// global_avg_pool, global_max_pool: (N, C, H, W) -> (N, C, 1, 1).
#include "kernels/lookup.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

class GlobalPool final : public Op {
 public:
  GlobalPool(const char* kind, const StepSpec& step, const BuildContext& context) {
    const TensorSpec& x = context.input(step, 0);
    kernel_ = get_kernel<GlobalPoolFn>(context.kernels, {.kind = kind, .input = x.dtype});
    require_layout(x, Layout::kNhwc);
    require_layout(context.output(step, 0), Layout::kNhwc);
    require_shape(context.output(step, 0), {x.n(), x.c(), 1, 1});
  }

  void run(const RunContext& context) const override {
    const Tensor& x = context.inputs[0];
    const Tensor& y = context.outputs[0];
    const int64_t pixels = x.spec->h() * x.spec->w();
    const Split blocks =
        split_items(x.spec->padded_c() / kChannelBlock, pixels * kChannelBlock, context.num_threads);
    parallel_for(context.num_threads, x.spec->n() * blocks.tasks(), [&](int64_t task, int) {
      const int64_t image = task / blocks.tasks(), range = task % blocks.tasks();
      const int64_t first = blocks.begin(range), channel = first * kChannelBlock;
      kernel_.function({.x = x.as<float>() + image * pixels * x.spec->pixel_stride + channel,
                        .x_stride = x.spec->pixel_stride,
                        .pixels = pixels,
                        .blocks = blocks.count(range),
                        .y = y.as<float>() + image * y.spec->pixel_stride + channel,
                        .mask = y.mask ? y.mask + image * y.spec->mask_stride() + first : nullptr});
    });
  }
  std::string kernel_name() const override { return kernel_.name; }

 private:
  Kernel<GlobalPoolFn> kernel_;
};

}  // namespace

std::unique_ptr<Op> make_global_avg_pool(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<GlobalPool>("global_avg_pool", step, context);
}

std::unique_ptr<Op> make_global_max_pool(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<GlobalPool>("global_max_pool", step, context);
}

}  // namespace zeroskip
