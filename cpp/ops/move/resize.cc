// resize of nhwc tensors along H and W: nearest moves pixels, linear mixes four. All positions are computed
// when the step is built, in float32 as ONNX Runtime does, so that ties fall on the same side.
#include <algorithm>
#include <cmath>

#include "kernels/lookup.h"
#include "ops/move/gather_pixels.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

struct AxisResize {
  int64_t in, out;
  float scale;
};

float input_position(const std::string& mode, const AxisResize& axis, int64_t i) {
  const auto position = static_cast<float>(i);
  if (mode == "asymmetric") return position / axis.scale;
  if (mode == "align_corners")
    return axis.out == 1 ? 0.0f
                         : position * static_cast<float>(axis.in - 1) / static_cast<float>(axis.out - 1);
  if (mode == "pytorch_half_pixel" && axis.out == 1) return 0.0f;
  const float centre = (position + 0.5f) / axis.scale;
  if (mode == "half_pixel" || mode == "pytorch_half_pixel") return centre - 0.5f;
  check(mode == "half_pixel_symmetric", "coordinate_transformation_mode '", mode, "' is not supported");
  const auto in = static_cast<float>(axis.in);
  const float adjustment = static_cast<float>(axis.out) / (axis.scale * in);
  return in / 2.0f * (1.0f - adjustment) + centre - 0.5f;
}

float round_position(const std::string& mode, float x) {
  if (mode == "floor") return std::floor(x);
  if (mode == "ceil") return std::ceil(x);
  const bool is_tie = x - std::floor(x) == 0.5f;
  if (mode == "round_prefer_floor") return is_tie ? std::floor(x) : std::round(x);
  check(mode == "round_prefer_ceil", "nearest_mode '", mode, "' is not supported");
  return is_tie ? std::ceil(x) : std::round(x);
}

// The input index a float names: inside [0, in) whatever the float is, since float(in - 1) may round up to
// in.
int64_t to_index(float position, int64_t in) {
  check(!std::isnan(position), "the scale gives positions that are no numbers");
  if (position >= static_cast<float>(in)) return in - 1;
  return std::clamp<int64_t>(static_cast<int64_t>(std::max(position, 0.0f)), 0, in - 1);
}

AxisResize make_axis(const StepSpec& step, size_t axis, int64_t in, int64_t out) {
  float scale = static_cast<float>(out) / static_cast<float>(in);
  if (step.attributes.contains("scales")) scale = static_cast<float>(step.get_floats("scales", 2)[axis]);
  check(std::isfinite(scale) && scale > 0.0f, "scale ", scale, " must be positive");
  return {in, out, scale};
}

std::vector<int64_t> nearest_map(const StepSpec& step, const AxisResize& axis) {
  const std::string coordinates = step.get_string("coordinate_transformation_mode", "half_pixel");
  const std::string rounding = step.get_string("nearest_mode", "round_prefer_floor");
  std::vector<int64_t> map;
  for (int64_t i = 0; i < axis.out; ++i) {
    const float nearest = round_position(rounding, input_position(coordinates, axis, i));
    map.push_back(to_index(nearest, axis.in));
  }
  return map;
}

// Between which two input positions an output position lies, and how far from the first.
struct LinearMap {
  std::vector<int64_t> left, right;
  std::vector<float> weight;
};

LinearMap linear_map(const StepSpec& step, const AxisResize& axis) {
  const std::string coordinates = step.get_string("coordinate_transformation_mode", "half_pixel");
  LinearMap map;
  for (int64_t i = 0; i < axis.out; ++i) {
    const float last = static_cast<float>(axis.in - 1);
    const float position = std::clamp(input_position(coordinates, axis, i), 0.0f, last);
    const int64_t left = to_index(position, axis.in);
    map.left.push_back(left);
    map.right.push_back(std::min(left + 1, axis.in - 1));
    map.weight.push_back(position - static_cast<float>(left));
  }
  return map;
}

class ResizeLinear final : public Op {
 public:
  ResizeLinear(Kernel<ResizeFn> kernel, LinearMap rows, LinearMap columns)
      : kernel_(kernel), rows_(std::move(rows)), columns_(std::move(columns)) {}

  void run(const RunContext& context) const override {
    const Tensor& y = context.outputs[0];
    const TensorSpec& out = *y.spec;
    const Split split = split_items(out.n() * out.h(), out.w() * out.padded_c(), context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      for (int64_t row = split.begin(task); row < split.begin(task) + split.count(task); ++row)
        kernel_.function(row_args(context.inputs[0], y, row));
    });
  }
  std::string kernel_name() const override { return kernel_.name; }

 private:
  ResizeArgs row_args(const Tensor& x, const Tensor& y, int64_t row) const {
    const auto oh = static_cast<size_t>(row % y.spec->h());
    const int64_t row_stride = x.spec->w() * x.spec->pixel_stride;
    const float* image = x.as<float>() + row / y.spec->h() * x.spec->h() * row_stride;
    const int64_t pixel = row * y.spec->w();
    return {.top = image + rows_.left[oh] * row_stride,
            .bottom = image + rows_.right[oh] * row_stride,
            .down = rows_.weight[oh],
            .x_stride = x.spec->pixel_stride,
            .left = columns_.left.data(),
            .right = columns_.right.data(),
            .weight = columns_.weight.data(),
            .pixels = y.spec->w(),
            .blocks = y.spec->padded_c() / kChannelBlock,
            .y = y.as<float>() + pixel * y.spec->pixel_stride,
            .y_stride = y.spec->pixel_stride,
            .mask = y.mask ? y.mask + pixel * y.spec->mask_stride() : nullptr,
            .mask_stride = y.spec->mask_stride()};
  }

  Kernel<ResizeFn> kernel_;
  LinearMap rows_, columns_;
};

}  // namespace

std::unique_ptr<Op> make_resize(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  const TensorSpec& x = context.input(step, 0);
  const TensorSpec& y = context.output(step, 0);
  require_layout(x, Layout::kNhwc);
  require_layout(y, Layout::kNhwc);
  require_shape(y, {x.n(), x.c(), y.h(), y.w()});
  const AxisResize rows = make_axis(step, 0, x.h(), y.h()), columns = make_axis(step, 1, x.w(), y.w());
  const std::string mode = step.get_string("mode", "nearest");
  if (mode == "linear")
    return std::make_unique<ResizeLinear>(
        get_kernel<ResizeFn>(context.kernels, {.kind = "resize_linear", .input = x.dtype}),
        linear_map(step, rows), linear_map(step, columns));
  check(mode == "nearest", "mode is '", mode, "', needs 'nearest' or 'linear'");
  PixelMap map = identity_map(x);
  map.h = nearest_map(step, rows);
  map.w = nearest_map(step, columns);
  return std::make_unique<GatherPixels>(step, context, std::move(map));
}

}  // namespace zeroskip
