// Functions of two or three operands of which each may be one value for a whole run.
#pragma once

#include <cstdint>

namespace zeroskip {

// y[i] = f(a[i * a_stride], b[i * b_stride]) for i < count; strides are 0 or 1, not both 0 unless count is 1.
// Everything is read and written exactly, at any alignment. y may be an operand of stride 1 exactly. max and
// min give NaN where either operand is. Comparisons give 1 or 0, and `quotient` a / b without its fraction. `select`
// takes a where a third operand is not 0, else b; its strides are of the same kind.
struct BroadcastArgs {
  int64_t count = 0;
  const float* a = nullptr;
  int64_t a_stride = 1;
  const float* b = nullptr;
  int64_t b_stride = 1;
  const float* condition = nullptr;
  int64_t condition_stride = 1;
  float* y = nullptr;
};
using BroadcastFn = void (*)(const BroadcastArgs&);

}  // namespace zeroskip
