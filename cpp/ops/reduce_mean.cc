// reduce_mean over any axes of a row tensor. Spatial means of nhwc tensors are global_avg_pool.
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

struct ReduceAxis {
  int64_t count, stride;
};

// Offset of the item-th element of a space of axes, the last of which runs fastest.
int64_t offset_of(const std::vector<ReduceAxis>& axes, int64_t item) {
  int64_t offset = 0;
  for (size_t axis = axes.size(); axis-- > 0; item /= axes[axis].count)
    offset += item % axes[axis].count * axes[axis].stride;
  return offset;
}

class ReduceMean final : public Op {
 public:
  ReduceMean(const StepSpec& step, const BuildContext& context) {
    const TensorSpec& x = context.input(step, 0);
    const TensorSpec& y = context.output(step, 0);
    require_layout(x, Layout::kRow);
    require_layout(y, Layout::kRow);
    const size_t rank = x.shape.size();
    std::vector<bool> is_reduced(rank, false);
    for (const int64_t axis : step.get_ints("axes")) is_reduced[resolve_axis(axis, rank)] = true;
    const std::vector<int64_t> strides = row_strides(x.shape);
    std::vector<int64_t> kept_shape, full_shape;
    for (size_t axis = 0; axis < rank; ++axis) {
      (is_reduced[axis] ? reduced_ : kept_).push_back({x.shape[axis], strides[axis]});
      (is_reduced[axis] ? reduced_count_ : kept_count_) *= x.shape[axis];
      full_shape.push_back(is_reduced[axis] ? 1 : x.shape[axis]);
      if (!is_reduced[axis]) kept_shape.push_back(x.shape[axis]);
    }
    check(y.shape == kept_shape || y.shape == full_shape, "output has shape ", shape_text(y.shape),
          ", needs ", shape_text(full_shape), " or ", shape_text(kept_shape));
    if (reduced_.empty()) reduced_.push_back({1, 1});
    inner_ = reduced_.back();
    reduced_.pop_back();
  }

  void run(const RunContext& context) const override {
    const Split split = split_items(kept_count_, reduced_count_, context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      for (int64_t item = split.begin(task); item < split.begin(task) + split.count(task); ++item)
        context.outputs[0].as<float>()[item] = mean(context.inputs[0].as<float>() + offset_of(kept_, item));
    });
  }
  std::string kernel_name() const override { return "reduce"; }

 private:
  float mean(const float* x) const {
    double sum = 0;  // double, so that the order of a long sum does not show
    for (int64_t outer = 0; outer < reduced_count_ / inner_.count; ++outer) {
      const float* from = x + offset_of(reduced_, outer);
      for (int64_t i = 0; i < inner_.count; ++i) sum += static_cast<double>(from[i * inner_.stride]);
    }
    return static_cast<float>(sum / static_cast<double>(reduced_count_));
  }

  std::vector<ReduceAxis> kept_, reduced_;  // reduced_ without its last axis
  ReduceAxis inner_{1, 1};
  int64_t kept_count_ = 1, reduced_count_ = 1;
};

}  // namespace

std::unique_ptr<Op> make_reduce_mean(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<ReduceMean>(step, context);
}

}  // namespace zeroskip
