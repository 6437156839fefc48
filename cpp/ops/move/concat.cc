// concat and copy: values moved into a tensor of the same layout, side by side along one axis.
#include <cstring>

#include "ops/mask.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

// Row tensors as [outer][axis * inner]: each input fills its part of every outer item.
class ConcatRows final : public Op {
 public:
  ConcatRows(const StepSpec& step, const BuildContext& context, size_t axis) {
    const TensorSpec& y = context.output(step, 0);
    outer_ = extent_product(y.shape, 0, axis);
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const TensorSpec& x = context.input(step, i);
      widths_.push_back(extent_product(x.shape, axis, x.shape.size()) * y.element_bytes());
    }
    width_ = y.elements() / outer_ * y.element_bytes();
  }

  void run(const RunContext& context) const override {
    const Split split = split_items(outer_, width_, context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      for (int64_t item = split.begin(task); item < split.begin(task) + split.count(task); ++item) {
        std::byte* to = context.outputs[0].data + item * width_;
        for (size_t i = 0; i < widths_.size(); to += widths_[i], ++i)
          std::memcpy(to, context.inputs[i].data + item * widths_[i], static_cast<size_t>(widths_[i]));
      }
    });
  }
  std::string kernel_name() const override { return "copy"; }

 private:
  int64_t outer_, width_;  // the latter in bytes
  std::vector<int64_t> widths_;
};

// nhwc tensors along the channels, any number of which may come from each input.
class ConcatPixels final : public Op {
 public:
  ConcatPixels(const KernelTable& kernels, const TensorSpec& y) : mask_(kernels, y) {}

  void run(const RunContext& context) const override {
    const Tensor& y = context.outputs[0];
    const Split split = split_items(y.spec->pixels(), y.spec->padded_c(), context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      const int64_t first = split.begin(task);
      int64_t channel = 0;
      for (const Tensor& x : context.inputs) {
        copy_channels(x, y, channel, first, split.count(task));
        channel += x.spec->c();
      }
      mask_.write(y, first, split.count(task));
    });
  }
  std::string kernel_name() const override { return "copy"; }

 private:
  static void copy_channels(const Tensor& x, const Tensor& y, int64_t channel, int64_t first,
                            int64_t pixels) {
    const int64_t size = y.spec->element_bytes(), end = channel + x.spec->c();
    const std::byte* from = x.pixel(first);
    std::byte* to = y.pixel(first) + channel * size;
    const auto bytes = static_cast<size_t>(x.spec->c() * size);
    const auto padding = static_cast<size_t>(end == y.spec->c() ? (y.spec->padded_c() - end) * size : 0);
    for (int64_t p = 0; p < pixels; ++p, from += x.spec->pixel_bytes(), to += y.spec->pixel_bytes()) {
      std::memcpy(to, from, bytes);
      std::memset(to + bytes, 0, padding);
    }
  }

  MaskWriter mask_;
};

}  // namespace

std::unique_ptr<Op> make_concat(const StepSpec& step, const BuildContext& context) {
  check(!step.inputs.empty(), "has no input");
  const TensorSpec& y = context.output(step, 0);
  const size_t axis = resolve_axis(step.get_int("axis"), y.shape.size());
  check(y.layout == Layout::kRow || axis == 1, "nhwc tensors are concatenated along axis 1 only, got ", axis);
  int64_t extent = 0;
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    const TensorSpec& x = context.input(step, i);
    require_same_layout(x, y);
    check(x.shape.size() == y.shape.size(), "input '", x.name, "' has rank ", x.shape.size(), ", needs ",
          y.shape.size());
    std::vector<int64_t> shape = y.shape;
    shape[axis] = x.shape[axis];
    require_shape(x, shape);
    extent += x.shape[axis];
  }
  check(extent == y.shape[axis], "the inputs hold ", extent, " along axis ", axis, ", the output ",
        y.shape[axis]);
  if (y.layout == Layout::kNhwc) return std::make_unique<ConcatPixels>(context.kernels, y);
  return std::make_unique<ConcatRows>(step, context, axis);
}

// nhwc: same shape, another stride or a mask. row: same number of elements in any shape.
std::unique_ptr<Op> make_copy(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  const TensorSpec& x = context.input(step, 0);
  const TensorSpec& y = context.output(step, 0);
  require_same_layout(x, y);
  if (y.layout == Layout::kNhwc) {
    require_shape(x, y.shape);
    return std::make_unique<ConcatPixels>(context.kernels, y);
  }
  check(x.elements() == y.elements(), "cannot copy ", shape_text(x.shape), " to ", shape_text(y.shape));
  return std::make_unique<ConcatRows>(step, context, 0);
}

}  // namespace zeroskip
