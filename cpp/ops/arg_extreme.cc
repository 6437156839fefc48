// arg_extreme: where along an axis the largest or smallest value is, as a number in float32. Indices are exact up to 2^24,
// and a longer axis is refused; the caller makes integers of them.
#include <algorithm>
#include <cmath>

#include "kernels/lookup.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

constexpr int64_t kMaxExtent = int64_t{1} << 24;
constexpr int64_t kStrip = 512;  // columns at once

// Values are compared one after the other, so a NaN that is not the first is passed over: as ONNX Runtime does.
template <bool kIsMax, bool kIsLast>
bool replaces(float value, float best) {
  if (kIsLast) return kIsMax ? value >= best : value <= best;
  return kIsMax ? value > best : value < best;
}

// y[j] for columns that lie `inner` apart from row to row.
template <bool kIsMax, bool kIsLast>
void scan_columns(const float* x, int64_t count, int64_t inner, int64_t columns, float* y) {
  float best[kStrip];
  for (int64_t j = 0; j < columns; ++j) best[j] = x[j], y[j] = 0;
  for (int64_t i = 1; i < count; ++i) {
    const float* row = x + i * inner;
    const auto index = static_cast<float>(i);
    for (int64_t j = 0; j < columns; ++j) {
      const bool is_better = replaces<kIsMax, kIsLast>(row[j], best[j]);
      best[j] = is_better ? row[j] : best[j];
      y[j] = is_better ? index : y[j];
    }
  }
}

class ArgExtreme final : public Op {
 public:
  ArgExtreme(const StepSpec& step, const BuildContext& context)
      : row_(get_kernel<ReduceRowFn>(context.kernels, {.kind = "reduce_row"})) {
    const std::string kind = step.get_string("kind", "");
    check(kind == "max" || kind == "min", "kind is '", kind, "', needs max or min");
    is_max_ = kind == "max";
    is_last_ = step.get_int("last", 0) != 0;
    const TensorSpec& x = context.input(step, 0);
    const TensorSpec& y = context.output(step, 0);
    require_layout(y, Layout::kRow);
    if (x.layout == Layout::kNhwc) {  // a pixel's channels
      check(step.get_int("axis", -1) == 1, "axis must be 1, the channels of a map");
      outer_ = x.n() * x.h() * x.w(), count_ = x.c(), outer_stride_ = x.pixel_stride;
    } else {
      const size_t axis = resolve_axis(step.get_int("axis", -1), x.shape.size());
      outer_ = extent_product(x.shape, 0, axis), count_ = x.shape[axis];
      inner_ = extent_product(x.shape, axis + 1, x.shape.size());
      outer_stride_ = count_ * inner_;
    }
    check(count_ >= 1 && count_ <= kMaxExtent, "the axis has ", count_, " values, needs 1 to ", kMaxExtent);
    check(extent_product(y.shape, 0, y.shape.size()) == outer_ * inner_, "output has shape ",
          shape_text(y.shape), ", needs ", outer_ * inner_, " values");
  }

  void run(const RunContext& context) const override {
    const auto* x = context.inputs[0].as<float>();
    auto* y = context.outputs[0].as<float>();
    const int64_t strips = ceil_div(inner_, kStrip);
    const Split split = split_items(outer_ * strips, count_ * std::min(inner_, kStrip), context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
      for (int64_t item = split.begin(task); item < split.begin(task) + split.count(task); ++item) {
        const int64_t outer = item / strips, first = item % strips * kStrip;
        const float* from = x + outer * outer_stride_ + first;
        float* to = y + outer * inner_ + first;
        if (inner_ == 1)
          find(from, to);
        else
          columns(from, std::min(kStrip, inner_ - first), to);
      }
    });
  }
  std::string kernel_name() const override { return inner_ == 1 ? row_.name : "arg_extreme_columns"; }

 private:
  // The extreme by the kernel, then the first place that has it: quicker than to carry the place along.
  void find(const float* x, float* y) const {
    const float extreme = row_.function(is_max_ ? Reduction::kMax : Reduction::kMin, x, count_);
    if (std::isnan(extreme)) return columns(x, 1, y);
    *y = 0;  // stays where the caller changes its input meanwhile
    for (int64_t i = 0; i < count_; ++i) {
      const int64_t place = is_last_ ? count_ - 1 - i : i;
      if (x[place] != extreme) continue;
      *y = static_cast<float>(place);
      return;
    }
  }

  void columns(const float* x, int64_t width, float* y) const {
    auto* scan = is_max_ ? (is_last_ ? scan_columns<true, true> : scan_columns<true, false>)
                         : (is_last_ ? scan_columns<false, true> : scan_columns<false, false>);
    scan(x, count_, inner_, width, y);
  }

  Kernel<ReduceRowFn> row_;
  bool is_max_ = true, is_last_ = false;
  int64_t outer_ = 1, count_ = 1, inner_ = 1, outer_stride_ = 1;
};

}  // namespace

std::unique_ptr<Op> make_arg_extreme(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<ArgExtreme>(step, context);
}

}  // namespace zeroskip
