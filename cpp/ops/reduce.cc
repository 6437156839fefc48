// reduce: sums, means, extremes and norms over any axes of a row tensor. Spatial means and maxima of nhwc
// tensors are global pools.
#include <algorithm>
#include <cmath>

#include "kernels/lookup.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

struct Kind {
  const char* name;
  Reduction reduction;
  enum class Finish { kNone, kDivide, kRoot } finish;
};

constexpr Kind kKinds[] = {
    {"sum", Reduction::kSum, Kind::Finish::kNone},
    {"mean", Reduction::kSum, Kind::Finish::kDivide},
    {"l1", Reduction::kSumAbs, Kind::Finish::kNone},
    {"l2", Reduction::kSumSquare, Kind::Finish::kRoot},
    {"sum_square", Reduction::kSumSquare, Kind::Finish::kNone},
    {"max", Reduction::kMax, Kind::Finish::kNone},
    {"min", Reduction::kMin, Kind::Finish::kNone},
    {"prod", Reduction::kProduct, Kind::Finish::kNone},
};

const Kind& parse_kind(const StepSpec& step) {
  const std::string name = step.get_string("kind", "");
  for (const Kind& kind : kKinds)
    if (name == kind.name) return kind;
  throw_error("kind is '", name, "', needs one of sum, mean, l1, l2, sum_square, max, min, prod");
}

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

// Appends an axis, or joins it to the one before where the two are walked as one.
void append(std::vector<ReduceAxis>& axes, ReduceAxis axis) {
  if (axis.count == 1) return;
  if (!axes.empty() && axes.back().stride == axis.count * axis.stride)
    axes.back() = {axes.back().count * axis.count, axis.stride};
  else
    axes.push_back(axis);
}

class Reduce final : public Op {
 public:
  Reduce(const StepSpec& step, const BuildContext& context)
      : kind_(parse_kind(step)),
        row_(get_kernel<ReduceRowFn>(context.kernels, {.kind = "reduce_row"})),
        columns_(get_kernel<ReduceColumnsFn>(context.kernels, {.kind = "reduce_columns"})),
        num_threads_(context.num_threads) {
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
      append(is_reduced[axis] ? reduced_ : kept_, {x.shape[axis], strides[axis]});
      (is_reduced[axis] ? reduced_count_ : kept_count_) *= x.shape[axis];
      full_shape.push_back(is_reduced[axis] ? 1 : x.shape[axis]);
      if (!is_reduced[axis]) kept_shape.push_back(x.shape[axis]);
    }
    check(y.shape == kept_shape || y.shape == full_shape, "output has shape ", shape_text(y.shape),
          ", needs ", shape_text(full_shape), " or ", shape_text(kept_shape));
    runs_columns_ = !kept_.empty() && kept_.back().stride == 1;
    if (reduced_.empty()) reduced_.push_back({1, 1});
    inner_ = reduced_.back();
    reduced_.pop_back();
    if (!runs_columns_) return;
    columns_count_ = kept_.back().count;
    kept_.pop_back();
  }

  void run(const RunContext& context) const override {
    runs_columns_ ? run_columns(context) : run_rows(context);
  }
  size_t scratch_bytes() const override {
    return static_cast<size_t>(num_threads_ * round_up(kStrip, kChannelBlock)) * sizeof(float);
  }
  std::string kernel_name() const override { return runs_columns_ ? columns_.name : row_.name; }

 private:
  static constexpr int64_t kStrip = 1024;  // columns at once

  float finish(float value) const {
    if (kind_.finish == Kind::Finish::kDivide) return value / static_cast<float>(reduced_count_);
    return kind_.finish == Kind::Finish::kRoot ? std::sqrt(value) : value;
  }

  float join(float a, float b) const {
    const float pair[] = {a, b};
    const bool adds = kind_.reduction <= Reduction::kSumSquare;
    return adds ? a + b : row_.function(kind_.reduction, pair, 2);
  }

  // The reduced axes end in one of stride 1, or nothing does.
  void run_rows(const RunContext& context) const {
    const auto* x = context.inputs[0].as<float>();
    auto* y = context.outputs[0].as<float>();
    const Split split = split_items(kept_count_, reduced_count_, context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int thread) {
      auto* gathered = reinterpret_cast<float*>(context.scratch.data()) + thread * kStrip;
      for (int64_t item = split.begin(task); item < split.begin(task) + split.count(task); ++item) {
        const float* from = x + offset_of(kept_, item);
        const int64_t outer_count = reduced_count_ / inner_.count;
        float total = reduce_inner(from + offset_of(reduced_, 0), gathered);
        for (int64_t outer = 1; outer < outer_count; ++outer)
          total = join(total, reduce_inner(from + offset_of(reduced_, outer), gathered));
        y[item] = finish(total);
      }
    });
  }

  float reduce_inner(const float* from, float* gathered) const {
    if (inner_.stride == 1) return row_.function(kind_.reduction, from, inner_.count);
    float total = 0;
    for (int64_t first = 0; first < inner_.count; first += kStrip) {
      const int64_t count = std::min(kStrip, inner_.count - first);
      for (int64_t i = 0; i < count; ++i) gathered[i] = from[(first + i) * inner_.stride];
      const float part = row_.function(kind_.reduction, gathered, count);
      total = first == 0 ? part : join(total, part);
    }
    return total;
  }

  // Values that stay apart lie side by side: whole vectors of them are reduced at once.
  void run_columns(const RunContext& context) const {
    const Split strips{columns_count_, std::min(kStrip, columns_count_)};
    const int64_t items = kept_count_ / columns_count_ * strips.tasks();
    const Split split = split_items(items, strips.size * reduced_count_, context.num_threads);
    parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int thread) {
      auto* part = reinterpret_cast<float*>(context.scratch.data()) + thread * kStrip;
      for (int64_t item = split.begin(task); item < split.begin(task) + split.count(task); ++item)
        reduce_strip(context, item / strips.tasks(), strips.begin(item % strips.tasks()),
                     strips.count(item % strips.tasks()), part);
    });
  }

  void reduce_strip(const RunContext& context, int64_t item, int64_t first, int64_t count,
                    float* part) const {
    const float* from = context.inputs[0].as<float>() + offset_of(kept_, item) + first;
    float* y = context.outputs[0].as<float>() + item * columns_count_ + first;
    for (int64_t outer = 0; outer < reduced_count_ / inner_.count; ++outer) {
      columns_.function(kind_.reduction, {.rows = inner_.count,
                                          .row_stride = inner_.stride,
                                          .columns = count,
                                          .x = from + offset_of(reduced_, outer),
                                          .y = outer == 0 ? y : part});
      for (int64_t j = 0; outer > 0 && j < count; ++j) y[j] = join(y[j], part[j]);
    }
    for (int64_t j = 0; j < count; ++j) y[j] = finish(y[j]);
  }

  const Kind& kind_;
  Kernel<ReduceRowFn> row_;
  Kernel<ReduceColumnsFn> columns_;
  std::vector<ReduceAxis> kept_, reduced_;  // without the columns, and without the inner axis
  ReduceAxis inner_{1, 1};
  int64_t kept_count_ = 1, reduced_count_ = 1, columns_count_ = 1;
  bool runs_columns_ = false;
  int num_threads_;
};

}  // namespace

std::unique_ptr<Op> make_reduce(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<Reduce>(step, context);
}

}  // namespace zeroskip
