// gather_elements: y has at each place the element of x that lies there but for one axis, whose place a second tensor
// says, negative ones from the end. The places are numbers in float32, repeated along axes where they have one element;
// what is outside of x is the nearest one inside. Row tensors.
#include <algorithm>
#include <cstring>

#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

struct GatherAxis {
  int64_t count;
  int64_t x, place, y;  // strides; of x 0 along the axis that is gathered
};

class GatherElements final : public Op {
 public:
  GatherElements(const StepSpec& step, const BuildContext& context) {
    const TensorSpec& x = context.input(step, 0);
    const TensorSpec& places = context.input(step, 1);
    const TensorSpec& y = context.output(step, 0);
    for (const TensorSpec* tensor : {&x, &places, &y}) require_layout(*tensor, Layout::kRow);
    const size_t rank = x.shape.size(), axis = resolve_axis(step.get_int("axis"), rank);
    check(places.shape.size() == rank && y.shape.size() == rank, "its tensors have ranks ", rank, ", ",
          places.shape.size(), " and ", y.shape.size(), ", needs equal ones");
    const auto of_x = row_strides(x.shape), of_places = row_strides(places.shape),
               of_y = row_strides(y.shape);
    for (size_t i = 0; i < rank; ++i) {
      check(places.shape[i] == y.shape[i] || places.shape[i] == 1, "places have shape ",
            shape_text(places.shape), ", which cannot be broadcast to ", shape_text(y.shape));
      check(i == axis || y.shape[i] <= x.shape[i], "output has shape ", shape_text(y.shape),
            ", of x there is ", shape_text(x.shape));
      outer_.push_back(
          {y.shape[i], i == axis ? 0 : of_x[i], places.shape[i] == 1 ? 0 : of_places[i], of_y[i]});
    }
    extent_ = x.shape[axis], stride_ = of_x[axis];
    check(extent_ >= 1, "the axis has no values");
    inner_ = outer_.back();
    outer_.pop_back();
    for (const GatherAxis& each : outer_) items_ *= each.count;
  }

  void run(const RunContext& context) const override {
    const auto *x = context.inputs[0].as<float>(), *places = context.inputs[1].as<float>();
    auto* y = context.outputs[0].as<float>();
    const Split split = split_items(items_, inner_.count, context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      for (int64_t item = split.begin(task); item < split.begin(task) + split.count(task); ++item) {
        int64_t from = 0, place = 0, to = 0, rest = item;
        for (size_t axis = outer_.size(); axis-- > 0; rest /= outer_[axis].count) {
          const int64_t index = rest % outer_[axis].count;
          from += index * outer_[axis].x, place += index * outer_[axis].place, to += index * outer_[axis].y;
        }
        run_row(x + from, places + place, y + to);
      }
    });
  }
  std::string kernel_name() const override { return "copy"; }

 private:
  void run_row(const float* x, const float* places, float* y) const {
    if (inner_.place == 0 && inner_.x == 1) {
      std::memcpy(y, x + place_of(*places) * stride_, static_cast<size_t>(inner_.count) * sizeof(float));
      return;
    }
    for (int64_t i = 0; i < inner_.count; ++i)
      y[i] = x[i * inner_.x + place_of(places[i * inner_.place]) * stride_];
  }

  int64_t place_of(float number) const {
    const auto extent = static_cast<float>(extent_);
    const float inside = number >= -extent ? std::min(number, extent) : -extent;  // NaN goes to the first
    const auto place = static_cast<int64_t>(inside);
    return std::min(place < 0 ? std::max(place + extent_, int64_t{0}) : place, extent_ - 1);
  }

  std::vector<GatherAxis> outer_;
  GatherAxis inner_{};
  int64_t extent_ = 1, stride_ = 1, items_ = 1;
};

}  // namespace

std::unique_ptr<Op> make_gather_elements(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 2, 1);
  return std::make_unique<GatherElements>(step, context);
}

}  // namespace zeroskip
