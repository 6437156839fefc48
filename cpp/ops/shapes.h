// Checks that several operators make on their tensors. All throw Error with the tensor's name.
#pragma once

#include <string>
#include <vector>

#include "ops/op.h"

namespace zeroskip {

void require_counts(const StepSpec& step, size_t inputs, size_t outputs);
void require_layout(const TensorSpec& tensor, Layout layout);
void require_same_layout(const TensorSpec& a, const TensorSpec& b);
void require_shape(const TensorSpec& tensor, const std::vector<int64_t>& shape);

// Product of shape[first, last).
int64_t extent_product(const std::vector<int64_t>& shape, size_t first, size_t last);

// Strides of a contiguous row-major tensor, in elements.
std::vector<int64_t> row_strides(const std::vector<int64_t>& shape);

// An axis attribute in [0, rank), negative values counted from the end.
size_t resolve_axis(int64_t axis, size_t rank);

}  // namespace zeroskip
