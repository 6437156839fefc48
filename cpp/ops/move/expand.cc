// expand: y is x repeated along the axes where x has one element or none. Row tensors.
#include "ops/move/strided_copy.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace zeroskip {

std::unique_ptr<Op> make_expand(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  const TensorSpec& x = context.input(step, 0);
  const TensorSpec& y = context.output(step, 0);
  require_layout(x, Layout::kRow);
  require_layout(y, Layout::kRow);
  check(x.shape.size() <= y.shape.size(), "tensor '", x.name, "' has more axes than the result");
  const size_t missing = y.shape.size() - x.shape.size();
  const auto from = row_strides(x.shape), to = row_strides(y.shape);
  std::vector<CopyAxis> axes;
  for (size_t axis = 0; axis < y.shape.size(); ++axis) {
    const int64_t extent = axis < missing ? 1 : x.shape[axis - missing];
    check(extent == y.shape[axis] || extent == 1, "tensor '", x.name, "' of shape ", shape_text(x.shape),
          " cannot be broadcast to ", shape_text(y.shape));
    axes.push_back({y.shape[axis], extent == 1 ? 0 : from[axis - missing], to[axis]});
  }
  return std::make_unique<StridedCopy>(context.kernels, x.dtype, std::move(axes), 0, 0);
}

}  // namespace zeroskip
