// softmax over one axis of a row tensor.
#include "kernels/lookup.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

class Softmax final : public Op {
 public:
  Softmax(const StepSpec& step, const BuildContext& context)
      : kernel_(get_kernel<SoftmaxFn>(context.kernels,
                                      {.kind = "softmax", .input = context.input(step, 0).dtype})) {
    const TensorSpec& x = context.input(step, 0);
    require_layout(x, Layout::kRow);
    require_layout(context.output(step, 0), Layout::kRow);
    require_shape(context.output(step, 0), x.shape);
    const size_t axis = resolve_axis(step.get_int("axis", -1), x.shape.size());
    outer_ = extent_product(x.shape, 0, axis);
    count_ = x.shape[axis];
    inner_ = extent_product(x.shape, axis + 1, x.shape.size());
  }

  // Sets that lie one behind the other are one group; sets that lie side by side are a group for each outer
  // item.
  void run(const RunContext& context) const override {
    const int64_t groups = inner_ == 1 ? 1 : outer_, sets = inner_ == 1 ? outer_ : inner_;
    const SoftmaxArgs args{
        .rows = 0, .row_stride = inner_ == 1 ? count_ : 1, .count = count_, .stride = inner_};
    const Split split = split_items(sets, count_, context.num_threads);
    parallel_for(context.num_threads, groups * split.tasks(), [&](int64_t task, int) {
      const int64_t part = task % split.tasks();
      const int64_t offset = task / split.tasks() * count_ * inner_ + split.begin(part) * args.row_stride;
      SoftmaxArgs mine = args;
      mine.rows = split.count(part);
      kernel_.function(mine, context.inputs[0].as<float>() + offset, context.outputs[0].as<float>() + offset);
    });
  }
  std::string kernel_name() const override { return kernel_.name; }

 private:
  Kernel<SoftmaxFn> kernel_;
  int64_t outer_, count_, inner_;
};

}  // namespace

std::unique_ptr<Op> make_softmax(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<Softmax>(step, context);
}

}  // namespace zeroskip
