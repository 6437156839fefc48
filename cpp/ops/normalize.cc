// normalize: subtracts the mean, divides by the deviation, then scales and shifts. Of an nhwc tensor over the
// pixels of each image and channel, with the activation that may follow; of a row tensor over runs of
// neighbouring values.
#include <cmath>

#include "kernels/lookup.h"
#include "ops/epilogue.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

float parse_epsilon(const StepSpec& step) {
  const double epsilon = step.get_float("epsilon", 1e-5);
  check(epsilon >= 0.0, "epsilon must not be negative or NaN, got ", epsilon);
  return static_cast<float>(epsilon);
}

class NormalizeMap final : public Op {
 public:
  NormalizeMap(const StepSpec& step, const BuildContext& context)
      : moments_(get_kernel<MomentsFn>(context.kernels, {.kind = "moments"})),
        affine_(get_kernel<EltwiseFn>(context.kernels, {.kind = "affine"})),
        epsilon_(parse_epsilon(step)) {
    const TensorSpec& x = context.input(step, 0);
    const TensorSpec& y = context.output(step, 0);
    require_layout(y, Layout::kNhwc);
    require_shape(y, x.shape);
    scale_ = pad_channels(step.get_constant("scale", {y.c()}));
    bias_ = pad_channels(step.get_constant("bias", {y.c()}));
    epilogue_ = parse_epilogue(step, y.c());
    factors_ = 2 * y.padded_c();
    images_ = y.n();
  }

  void run(const RunContext& context) const override {
    const TensorSpec& y = *context.outputs[0].spec;
    const int64_t area = y.h() * y.w();
    const Split blocks = split_items(y.blocks(), area * kChannelBlock, context.num_threads);
    parallel_for(context.num_threads, images_ * blocks.tasks(), [&](int64_t task, int) {
      measure(context, task / blocks.tasks(), blocks.begin(task % blocks.tasks()),
              blocks.count(task % blocks.tasks()));
    });
    const Split pixels = split_items(area, y.padded_c(), context.num_threads);
    parallel_for(context.num_threads, images_ * pixels.tasks(), [&](int64_t task, int) {
      apply(context, task / pixels.tasks(), pixels.begin(task % pixels.tasks()),
            pixels.count(task % pixels.tasks()));
    });
  }
  size_t scratch_bytes() const override { return static_cast<size_t>(images_ * factors_) * sizeof(float); }
  std::string kernel_name() const override { return moments_.name; }

 private:
  // The factors of an image: what each channel is multiplied with, then what is added.
  float* factors(const RunContext& context, int64_t image) const {
    return reinterpret_cast<float*>(context.scratch.data()) + image * factors_;
  }

  void measure(const RunContext& context, int64_t image, int64_t block, int64_t count) const {
    const Tensor& x = context.inputs[0];
    const int64_t area = x.spec->h() * x.spec->w(), first = block * kChannelBlock;
    float* scale = factors(context, image) + first;
    float* bias = scale + factors_ / 2;
    moments_.function({.x = x.as<float>() + image * area * x.spec->pixel_stride + first,
                       .x_stride = x.spec->pixel_stride,
                       .pixels = area,
                       .blocks = count,
                       .mean = bias,
                       .variance = scale});
    for (int64_t c = 0; c < count * kChannelBlock; ++c) {
      scale[c] = scale_.data()[first + c] / std::sqrt(scale[c] + epsilon_);
      bias[c] = bias_.data()[first + c] - bias[c] * scale[c];
      if (first + c >= x.spec->c()) scale[c] = bias[c] = 0;  // where epsilon is 0, padding would be NaN
    }
  }

  void apply(const RunContext& context, int64_t image, int64_t first, int64_t count) const {
    const Tensor& x = context.inputs[0];
    const Tensor& y = context.outputs[0];
    const int64_t pixel = image * x.spec->h() * x.spec->w() + first;
    EltwiseArgs args;
    args.pixels = count;
    args.channels = y.spec->c();
    args.x_stride = x.spec->pixel_stride;
    args.x = x.as<float>() + pixel * args.x_stride;
    args.y_stride = y.spec->pixel_stride;
    args.y = y.as<float>() + pixel * args.y_stride;
    args.mask_stride = y.spec->mask_stride();
    if (y.mask) args.mask = y.mask + pixel * args.mask_stride;
    args.scale = factors(context, image);
    args.bias = args.scale + factors_ / 2;
    args.thresholds = epilogue_.thresholds_or_null();
    args.max_value = epilogue_.max_value;
    affine_.function(args);
  }

  Kernel<MomentsFn> moments_;
  Kernel<EltwiseFn> affine_;
  AlignedFloats scale_, bias_;
  Epilogue epilogue_;
  float epsilon_;
  int64_t factors_, images_;
};

class NormalizeRows final : public Op {
 public:
  NormalizeRows(const StepSpec& step, const BuildContext& context)
      : kernel_(get_kernel<NormalizeRowFn>(context.kernels, {.kind = "normalize_row"})),
        epsilon_(parse_epsilon(step)) {
    const TensorSpec& x = context.input(step, 0);
    const TensorSpec& y = context.output(step, 0);
    require_shape(y, x.shape);
    check(step.get_string("activation", "none") == "none", "rows take no activation");
    const size_t axis = resolve_axis(step.get_int("axis", -1), x.shape.size());
    count_ = extent_product(x.shape, axis, x.shape.size());
    rows_ = extent_product(x.shape, 0, axis);
    has_row_parameters_ = step.get_int("per_row", 0) != 0;
    check(!has_row_parameters_ || axis >= 1, "parameters for each row need an axis in front of the values");
    parameters_ = has_row_parameters_ ? x.shape[axis - 1] : count_;
    scale_ = pad_channels(step.get_constant("scale", {parameters_}));
    bias_ = pad_channels(step.get_constant("bias", {parameters_}));
  }

  void run(const RunContext& context) const override {
    const Split split = split_items(rows_, count_, context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      for (int64_t row = split.begin(task); row < split.begin(task) + split.count(task); ++row) {
        const int64_t parameter = has_row_parameters_ ? row % parameters_ : 0;
        kernel_.function({.count = count_,
                          .x = context.inputs[0].as<float>() + row * count_,
                          .y = context.outputs[0].as<float>() + row * count_,
                          .scale = scale_.data() + parameter,
                          .bias = bias_.data() + parameter,
                          .parameter_stride = has_row_parameters_ ? 0 : 1,
                          .epsilon = epsilon_});
      }
    });
  }
  std::string kernel_name() const override { return kernel_.name; }

 private:
  Kernel<NormalizeRowFn> kernel_;
  AlignedFloats scale_, bias_;
  float epsilon_;
  int64_t count_, rows_, parameters_;
  bool has_row_parameters_;
};

}  // namespace

std::unique_ptr<Op> make_normalize(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  require_same_layout(context.input(step, 0), context.output(step, 0));
  if (context.output(step, 0).layout == Layout::kNhwc) return std::make_unique<NormalizeMap>(step, context);
  return std::make_unique<NormalizeRows>(step, context);
}

}  // namespace zeroskip
