#include "ops/shapes.h"

namespace zeroskip {
namespace {

const char* layout_name(Layout layout) { return layout == Layout::kRow ? "row" : "nhwc"; }

}  // namespace

void require_counts(const StepSpec& step, size_t inputs, size_t outputs) {
  check(step.inputs.size() == inputs && step.outputs.size() == outputs, "has ", step.inputs.size(),
        " input(s) and ", step.outputs.size(), " output(s), needs ", inputs, " and ", outputs);
}

void require_layout(const TensorSpec& tensor, Layout layout) {
  check(tensor.layout == layout, "tensor '", tensor.name, "' has layout ", layout_name(tensor.layout),
        ", needs ", layout_name(layout));
}

void require_same_layout(const TensorSpec& a, const TensorSpec& b) {
  check(a.layout == b.layout, "tensors '", a.name, "' (", layout_name(a.layout), ") and '", b.name, "' (",
        layout_name(b.layout), ") need the same layout");
}

void require_shape(const TensorSpec& tensor, const std::vector<int64_t>& shape) {
  check(tensor.shape == shape, "tensor '", tensor.name, "' has shape ", shape_text(tensor.shape), ", needs ",
        shape_text(shape));
}

int64_t extent_product(const std::vector<int64_t>& shape, size_t first, size_t last) {
  int64_t product = 1;
  for (size_t axis = first; axis < last; ++axis) product *= shape[axis];
  return product;
}

std::vector<int64_t> row_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t axis = shape.size(); axis-- > 1;) strides[axis - 1] = strides[axis] * shape[axis];
  return strides;
}

size_t resolve_axis(int64_t axis, size_t rank) {
  const auto signed_rank = static_cast<int64_t>(rank);
  check(axis >= -signed_rank && axis < signed_rank, "axis ", axis, " is outside a tensor of rank ", rank);
  return static_cast<size_t>(axis < 0 ? axis + signed_rank : axis);
}

}  // namespace zeroskip
