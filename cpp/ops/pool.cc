// max_pool, avg_pool.
#include "kernels/lookup.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"
#include "ops/window.h"

namespace zeroskip {
namespace {

class Pool final : public Op {
 public:
  Pool(const char* kind, const StepSpec& step, const BuildContext& context)
      : kernel_(get_kernel<PoolFn>(context.kernels, {.kind = kind, .input = context.input(step, 0).dtype})),
        window_(parse_window(step, context.input(step, 0), context.output(step, 0), true)),
        count_include_pad_(step.get_int("count_include_pad", 0) != 0) {}

  void run(const RunContext& context) const override {
    const Tensor& x = context.inputs[0];
    const Tensor& y = context.outputs[0];
    const int64_t out_h = y.spec->h();
    const int64_t row_reads = y.spec->w() * y.spec->padded_c() * window_.taps();
    const Split rows = split_items(y.spec->n() * out_h, row_reads, context.num_threads);
    parallel_for(context.num_threads, rows.tasks(), [&](int64_t task, int) {
      for (int64_t row = rows.begin(task); row < rows.begin(task) + rows.count(task); ++row)
        kernel_.function(row_args(x, y, row / out_h, row % out_h));
    });
  }
  std::string kernel_name() const override { return kernel_.name; }

 private:
  PoolArgs row_args(const Tensor& x, const Tensor& y, int64_t image, int64_t oh) const {
    const TensorSpec& in = *x.spec;
    const TensorSpec& out = *y.spec;
    const int64_t pixel = (image * out.h() + oh) * out.w();
    PoolArgs args;
    args.x = x.pixel(image * in.h() * in.w());
    args.x_stride = in.pixel_stride;
    args.in_h = in.h(), args.in_w = in.w();
    args.first_row = window_.first_row(oh);
    args.kernel_h = window_.kernel_h, args.kernel_w = window_.kernel_w;
    args.stride_w = window_.stride_w;
    args.dilation_h = window_.dilation_h, args.dilation_w = window_.dilation_w;
    args.pad_left = window_.pad_left, args.pad_right = window_.pad_right,
    args.pad_bottom = window_.pad_bottom;
    args.count_include_pad = count_include_pad_;
    args.pixels = out.w();
    args.blocks = out.blocks();
    args.y = y.pixel(pixel);
    args.y_stride = out.pixel_stride;
    if (y.mask) args.mask = y.mask + pixel * out.mask_stride();
    args.mask_stride = out.mask_stride();
    return args;
  }

  Kernel<PoolFn> kernel_;
  Window window_;
  bool count_include_pad_;
};

}  // namespace

std::unique_ptr<Op> make_max_pool(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<Pool>("max_pool", step, context);
}

std::unique_ptr<Op> make_avg_pool(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<Pool>("avg_pool", step, context);
}

}  // namespace zeroskip
