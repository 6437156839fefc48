#include "base/tensor.h"

namespace zeroskip {

int64_t TensorSpec::elements() const {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

int64_t TensorSpec::pixels() const { return n() * h() * w(); }

int64_t TensorSpec::bytes() const {
  if (layout == Layout::kRow) return elements() * element_bytes();
  return pixels() == 0 ? 0 : ((pixels() - 1) * pixel_stride + padded_c()) * element_bytes();
}

int64_t TensorSpec::mask_bytes() const {
  const auto size = static_cast<int64_t>(sizeof(uint16_t));
  if (!masked || pixels() == 0) return 0;
  return ((pixels() - 1) * mask_stride() + blocks()) * size;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t axis = 0; axis < shape.size(); ++axis) text += (axis ? ", " : "") + std::to_string(shape[axis]);
  return text + "]";
}

}  // namespace zeroskip
