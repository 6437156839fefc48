// broadcast: functions of two operands whose shapes differ, or that are no sum and no product, and the choice between
// two by a third one. Operands of fewer axes are aligned at the last one; an extent of 1 is repeated.
#include <algorithm>
#include <array>

#include "kernels/lookup.h"
#include "ops/mask.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

constexpr size_t kOperands = 3;  // the most; one that a function does not have is walked with strides of 0

struct BroadcastAxis {
  int64_t count = 1;
  std::array<int64_t, kOperands> from{};  // strides, 0 where the operand is repeated
  int64_t to = 1;
};

using Strides = std::vector<int64_t>;

// Strides of an operand along the axes of y, which has the extents `shape`.
Strides strides_along(const TensorSpec& x, const std::vector<int64_t>& shape, const Strides& own) {
  check(x.shape.size() <= shape.size(), "tensor '", x.name, "' has more axes than the result");
  const size_t missing = shape.size() - x.shape.size();
  Strides result(shape.size(), 0);
  for (size_t axis = 0; axis < x.shape.size(); ++axis) {
    const int64_t extent = x.shape[axis], wanted = shape[missing + axis];
    check(extent == wanted || extent == 1, "tensor '", x.name, "' of shape ", shape_text(x.shape),
          " cannot be broadcast to ", shape_text(shape));
    result[missing + axis] = extent == 1 ? 0 : own[axis];
  }
  return result;
}

Strides pixel_strides(const TensorSpec& x) {
  return {x.h() * x.w() * x.pixel_stride, 1, x.w() * x.pixel_stride, x.pixel_stride};
}

// Joins neighbours that all tensors walk as one; the last axis stays apart where y is nhwc.
std::vector<BroadcastAxis> simplify(const std::vector<BroadcastAxis>& axes) {
  std::vector<BroadcastAxis> result;
  for (const BroadcastAxis& axis : axes) {
    if (axis.count == 1) continue;
    const auto joins = [&](int64_t outer, int64_t inner) { return outer == axis.count * inner; };
    bool is_one = !result.empty() && joins(result.back().to, axis.to);
    for (size_t i = 0; i < kOperands && is_one; ++i) is_one = joins(result.back().from[i], axis.from[i]);
    if (is_one)
      result.back() = {result.back().count * axis.count, axis.from, axis.to};
    else
      result.push_back(axis);
  }
  return result;
}

class Broadcast final : public Op {
 public:
  Broadcast(const StepSpec& step, const BuildContext& context)
      : mask_(context.kernels, context.output(step, 0)) {
    const std::string kind = step.get_string("kind", "");
    kernel_ = get_kernel<BroadcastFn>(context.kernels, {.kind = "broadcast_" + kind});
    require_counts(step, kind == "select" ? 3 : 2, 1);
    const TensorSpec& y = context.output(step, 0);
    const bool is_map = y.layout == Layout::kNhwc;
    const auto own = [&](const TensorSpec& x) { return is_map ? pixel_strides(x) : row_strides(x.shape); };
    const Strides to = own(y);
    std::vector<BroadcastAxis> axes;
    for (size_t axis = 0; axis < y.shape.size(); ++axis) axes.push_back({y.shape[axis], {}, to[axis]});
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const TensorSpec& x = context.input(step, i);
      require_same_layout(x, y);
      const Strides from = strides_along(x, y.shape, own(x));
      for (size_t axis = 0; axis < from.size(); ++axis) axes[axis].from[i] = from[axis];
    }
    if (is_map) {
      inner_ = axes[1];
      axes.erase(axes.begin() + 1);
      padding_ = y.padded_c() - y.c();
      outer_ = simplify(axes);
    } else {
      outer_ = simplify(axes);
      if (!outer_.empty()) inner_ = outer_.back(), outer_.pop_back();
    }
    for (const BroadcastAxis& axis : outer_) items_ *= axis.count;
  }

  void run(const RunContext& context) const override {
    const Split split = split_items(items_, inner_.count, context.num_threads);
    if (items_ == 1 && padding_ == 0 && !context.outputs[0].mask) return run_one(context);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      for (int64_t item = split.begin(task); item < split.begin(task) + split.count(task); ++item)
        run_item(context, item, 0, inner_.count);
      if (context.outputs[0].spec->layout == Layout::kNhwc)
        mask_.write(context.outputs[0], split.begin(task), split.count(task));
    });
  }
  std::string kernel_name() const override { return kernel_.name; }

 private:
  // All of it is one run: it is the run that threads share.
  void run_one(const RunContext& context) const {
    const Split split = split_items(inner_.count, 1, context.num_threads);
    parallel_for(context.num_threads, split.tasks(),
                 [&](int64_t task, int) { run_item(context, 0, split.begin(task), split.count(task)); });
  }

  void run_item(const RunContext& context, int64_t item, int64_t first, int64_t count) const {
    std::array<int64_t, kOperands> from{};
    for (size_t i = 0; i < kOperands; ++i) from[i] = first * inner_.from[i];
    int64_t to = first * inner_.to;
    for (size_t axis = outer_.size(); axis-- > 0; item /= outer_[axis].count) {
      const int64_t index = item % outer_[axis].count;
      for (size_t i = 0; i < kOperands; ++i) from[i] += index * outer_[axis].from[i];
      to += index * outer_[axis].to;
    }
    float* result = context.outputs[0].as<float>() + to;
    const bool has_condition = context.inputs.size() == kOperands;
    kernel_.function({.count = count,
                      .a = context.inputs[0].as<float>() + from[0],
                      .a_stride = inner_.from[0],
                      .b = context.inputs[1].as<float>() + from[1],
                      .b_stride = inner_.from[1],
                      .condition = has_condition ? context.inputs[2].as<float>() + from[2] : nullptr,
                      .condition_stride = inner_.from[2],
                      .y = result});
    std::fill_n(result + count, padding_, 0.0f);
  }

  Kernel<BroadcastFn> kernel_;
  MaskWriter mask_;
  std::vector<BroadcastAxis> outer_;
  BroadcastAxis inner_{1, {1, 1, 1}, 1};
  int64_t items_ = 1, padding_ = 0;
};

}  // namespace

std::unique_ptr<Op> make_broadcast(const StepSpec& step, const BuildContext& context) {
  return std::make_unique<Broadcast>(step, context);
}

}  // namespace zeroskip
