#include "ops/pointwise.h"

#include <array>
#include <cstring>

#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

using Block = std::array<float, kChannelBlock>;

// Runs up to 16 values that do not fill a block through the kernel by way of zero-padded copies.
void run_partial_block(EltwiseFn kernel, EltwiseArgs args, int64_t count) {
  alignas(kAlignment) Block x{}, other{}, y;
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  std::memcpy(x.data(), args.x, bytes);
  if (args.other) std::memcpy(other.data(), args.other, bytes);
  float* destination = args.y;
  args.pixels = 1;
  args.channels = count;
  args.x = x.data();
  args.other = other.data();
  args.y = y.data();
  kernel(args);
  std::memcpy(destination, y.data(), bytes);
}

// Runs `count` contiguous values that share their per-channel parameters (16 copies of each).
void run_contiguous(EltwiseFn kernel, EltwiseArgs args, int64_t count) {
  const int64_t whole = count / kChannelBlock * kChannelBlock;
  args.pixels = count / kChannelBlock;
  args.channels = args.x_stride = args.other_stride = args.y_stride = kChannelBlock;
  kernel(args);
  if (whole == count) return;
  args.x += whole;
  if (args.other) args.other += whole;
  args.y += whole;
  run_partial_block(kernel, args, count - whole);
}

EltwiseArgs at_offset(EltwiseArgs args, const RunContext& context, int64_t offset) {
  args.x = context.inputs[0].as<float>() + offset;
  if (context.inputs.size() > 1) args.other = context.inputs[1].as<float>() + offset;
  args.y = context.outputs[0].as<float>() + offset;
  return args;
}

// Points *parameter at 16 copies of its value for one channel.
void splat(const float** parameter, int64_t channel, Block& block) {
  if (!*parameter) return;
  block.fill((*parameter)[channel]);
  *parameter = block.data();
}

}  // namespace

Pointwise with_kernel(const char* kind, const StepSpec& step, const BuildContext& context) {
  const DataType type = context.output(step, 0).dtype;
  return {.kernel = get_kernel<EltwiseFn>(context.kernels, {.kind = kind, .input = type})};
}

size_t row_channel_axis(const StepSpec& step, const TensorSpec& tensor) {
  const size_t rank = tensor.shape.size();
  if (rank == 0) return 0;
  return resolve_axis(step.get_int("axis", rank == 1 ? 0 : 1), rank);
}

int64_t output_channels(const StepSpec& step, const BuildContext& context) {
  const TensorSpec& y = context.output(step, 0);
  if (y.layout == Layout::kNhwc) return y.c();
  return y.shape.empty() ? 1 : y.shape[row_channel_axis(step, y)];
}

PointwiseOp::PointwiseOp(Pointwise pointwise, const StepSpec& step, const BuildContext& context)
    : pointwise_(std::move(pointwise)) {
  const TensorSpec& y = context.output(step, 0);
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    const TensorSpec& x = context.input(step, i);
    require_same_layout(x, y);
    repeats_other_ = i == 1 && y.layout == Layout::kNhwc && x.shape != y.shape;
    require_shape(x, repeats_other_ ? std::vector<int64_t>{y.n(), y.c(), 1, 1} : y.shape);
  }
  channels_ = output_channels(step, context);
  if (y.layout == Layout::kRow && !y.shape.empty()) {
    const size_t axis = row_channel_axis(step, y);
    outer_ = extent_product(y.shape, 0, axis);
    inner_ = extent_product(y.shape, axis + 1, y.shape.size());
  }
}

EltwiseArgs PointwiseOp::base_args() const {
  EltwiseArgs args = pointwise_.args;
  if (pointwise_.scale.size()) args.scale = pointwise_.scale.data();
  if (pointwise_.bias.size()) args.bias = pointwise_.bias.data();
  if (pointwise_.thresholds.size()) args.thresholds = pointwise_.thresholds.data();
  return args;
}

bool PointwiseOp::has_channel_parameters() const {
  return pointwise_.scale.size() || pointwise_.bias.size() || pointwise_.thresholds.size();
}

void PointwiseOp::run(const RunContext& context) const {
  if (context.outputs[0].spec->layout == Layout::kNhwc) return run_nhwc(context);
  if (!has_channel_parameters()) return run_flat(context);
  if (inner_ == 1) return run_channel_rows(context);
  run_channel_planes(context);
}

void PointwiseOp::run_nhwc(const RunContext& context) const {
  const Tensor& x = context.inputs[0];
  const Tensor& y = context.outputs[0];
  const Tensor* other = context.inputs.size() > 1 ? &context.inputs[1] : nullptr;
  // A repeated operand changes with the image, so tasks then stay within one.
  const int64_t groups = repeats_other_ ? y.spec->n() : 1;
  const int64_t group_pixels = y.spec->pixels() / groups;
  const Split split = split_items(group_pixels, y.spec->padded_c(), context.num_threads);
  parallel_for(context.num_threads, groups * split.tasks(), [&](int64_t task, int) {
    const int64_t group = task / split.tasks(), part = task % split.tasks();
    const int64_t pixel = group * group_pixels + split.begin(part);
    EltwiseArgs args = base_args();
    args.pixels = split.count(part);
    args.channels = y.spec->c();
    args.x_stride = x.spec->pixel_stride;
    args.x = x.as<float>() + pixel * args.x_stride;
    args.y_stride = y.spec->pixel_stride;
    args.y = y.as<float>() + pixel * args.y_stride;
    args.mask_stride = y.spec->mask_stride();
    if (y.mask) args.mask = y.mask + pixel * args.mask_stride;
    if (other) {
      args.other_stride = repeats_other_ ? 0 : other->spec->pixel_stride;
      args.other = other->as<float>() + (repeats_other_ ? group : pixel) * other->spec->pixel_stride;
    }
    pointwise_.kernel.function(args);
  });
}

void PointwiseOp::run_flat(const RunContext& context) const {
  const Split split = split_items(context.outputs[0].spec->elements(), 1, context.num_threads);
  parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
    run_contiguous(pointwise_.kernel.function, at_offset(base_args(), context, split.begin(task)),
                   split.count(task));
  });
}

void PointwiseOp::run_channel_rows(const RunContext& context) const {
  const int64_t whole = channels_ / kChannelBlock * kChannelBlock;
  const Split split = split_items(outer_, channels_, context.num_threads);
  parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
    EltwiseArgs args = at_offset(base_args(), context, split.begin(task) * channels_);
    args.pixels = split.count(task);
    args.channels = whole;
    args.x_stride = args.other_stride = args.y_stride = channels_;
    pointwise_.kernel.function(args);
    if (whole == channels_) return;
    for (int64_t row = split.begin(task); row < split.begin(task) + split.count(task); ++row) {
      EltwiseArgs rest = at_offset(base_args(), context, row * channels_ + whole);
      for (const float** parameter : {&rest.scale, &rest.bias, &rest.thresholds})
        if (*parameter) *parameter += whole;
      run_partial_block(pointwise_.kernel.function, rest, channels_ - whole);
    }
  });
}

void PointwiseOp::run_channel_planes(const RunContext& context) const {
  parallel_for(context.num_threads, outer_ * channels_, [&](int64_t plane, int) {
    EltwiseArgs args = at_offset(base_args(), context, plane * inner_);
    Block scale, bias, thresholds;
    splat(&args.scale, plane % channels_, scale);
    splat(&args.bias, plane % channels_, bias);
    splat(&args.thresholds, plane % channels_, thresholds);
    run_contiguous(pointwise_.kernel.function, args, inner_);
  });
}

}  // namespace zeroskip
