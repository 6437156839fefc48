// gather: the elements of x at given places along one axis, in that order. Row tensors.
#include <cstring>

#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

class Gather final : public Op {
 public:
  Gather(const StepSpec& step, const BuildContext& context) {
    const TensorSpec& x = context.input(step, 0);
    const TensorSpec& y = context.output(step, 0);
    require_layout(x, Layout::kRow);
    require_layout(y, Layout::kRow);
    const size_t axis = resolve_axis(step.get_int("axis"), x.shape.size());
    extent_ = x.shape[axis];
    for (const int64_t place : step.get_ints("indices")) {
      check(place >= 0 && place < extent_, "index ", place, " is outside of an axis of ", extent_);
      places_.push_back(place);
    }
    check(!places_.empty(), "has no indices");
    std::vector<int64_t> shape = x.shape;
    shape[axis] = static_cast<int64_t>(places_.size());
    require_shape(y, shape);
    outer_ = extent_product(x.shape, 0, axis);
    inner_ = extent_product(x.shape, axis + 1, x.shape.size());
    inner_bytes_ = static_cast<size_t>(inner_ * x.element_bytes());
  }

  void run(const RunContext& context) const override {
    const auto count = static_cast<int64_t>(places_.size());
    const Split split = split_items(outer_ * count, inner_, context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      for (int64_t item = split.begin(task); item < split.begin(task) + split.count(task); ++item) {
        const int64_t from = item / count * extent_ + places_[static_cast<size_t>(item % count)];
        std::memcpy(context.outputs[0].data + static_cast<size_t>(item) * inner_bytes_,
                    context.inputs[0].data + static_cast<size_t>(from) * inner_bytes_, inner_bytes_);
      }
    });
  }
  std::string kernel_name() const override { return "copy"; }

 private:
  std::vector<int64_t> places_;
  int64_t extent_, outer_, inner_;
  size_t inner_bytes_;
};

}  // namespace

std::unique_ptr<Op> make_gather(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<Gather>(step, context);
}

}  // namespace zeroskip
