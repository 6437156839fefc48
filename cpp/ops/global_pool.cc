// global_avg_pool, global_max_pool: (N, C, H, W) -> (N, C, 1, 1).
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

class GlobalPool final : public Op {
 public:
  GlobalPool(GlobalPoolFn kernel, const char* name, const StepSpec& step, const BuildContext& context)
      : kernel_(kernel), name_(name) {
    const TensorSpec& x = context.input(step, 0);
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
      kernel_({.x = x.data + image * pixels * x.spec->pixel_stride + channel,
               .x_stride = x.spec->pixel_stride,
               .pixels = pixels,
               .blocks = blocks.count(range),
               .y = y.data + image * y.spec->pixel_stride + channel,
               .mask = y.mask ? y.mask + image * y.spec->mask_stride() + first : nullptr});
    });
  }
  std::string kernel_name() const override { return name_; }

 private:
  GlobalPoolFn kernel_;
  const char* name_;
};

}  // namespace

std::unique_ptr<Op> make_global_avg_pool(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<GlobalPool>(context.kernels.f32_global_avg_pool, "f32_global_avg_pool", step,
                                      context);
}

std::unique_ptr<Op> make_global_max_pool(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<GlobalPool>(context.kernels.f32_global_max_pool, "f32_global_max_pool", step,
                                      context);
}

}  // namespace zeroskip
