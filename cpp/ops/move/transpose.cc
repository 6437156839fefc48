// transpose: y's axis i is x's axis perm[i]. Row tensors.
#include "ops/move/strided_copy.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace zeroskip {

std::unique_ptr<Op> make_transpose(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  const TensorSpec& x = context.input(step, 0);
  const TensorSpec& y = context.output(step, 0);
  require_layout(x, Layout::kRow);
  require_layout(y, Layout::kRow);
  const size_t rank = x.shape.size();
  const auto perm = step.get_ints("perm", rank);
  std::vector<bool> taken(rank, false);
  std::vector<int64_t> shape;
  for (const int64_t value : perm) {
    const size_t axis = resolve_axis(value, rank);
    check(!taken[axis], "perm ", shape_text(perm), " names axis ", axis, " twice");
    taken[axis] = true;
    shape.push_back(x.shape[axis]);
  }
  require_shape(y, shape);
  const auto from = row_strides(x.shape), to = row_strides(y.shape);
  std::vector<CopyAxis> axes;
  for (size_t i = 0; i < rank; ++i) axes.push_back({shape[i], from[resolve_axis(perm[i], rank)], to[i]});
  return std::make_unique<StridedCopy>(context.kernels, x.dtype, std::move(axes), 0, 0);
}

}  // namespace zeroskip
