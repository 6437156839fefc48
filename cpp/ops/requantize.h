// The epilogue of steps on integers (RequantizeArgs of kernels/qconv/qconv.h), as a step describes it.
#pragma once

#include <algorithm>
#include <memory>

#include "base/memory.h"
#include "ops/op.h"

namespace zeroskip {

// Values in 64-byte aligned memory, with slack that kernels may over-read.
template <typename T>
class PackedValues {
 public:
  explicit PackedValues(size_t count) : values_(allocate_aligned(count * sizeof(T))), count_(count) {}
  T* data() { return reinterpret_cast<T*>(values_.get()); }
  const T* data() const { return reinterpret_cast<const T*>(values_.get()); }
  size_t bytes() const { return count_ * sizeof(T); }

 private:
  AlignedBytes values_;
  size_t count_;
};
template <typename T>
using SharedValues = std::shared_ptr<const PackedValues<T>>;

// Where the values of outputs lie: output o at o / group * stride + o % group, `count` of them.
struct OutputLayout {
  int64_t outputs, group, stride, count;
  int64_t at(int64_t o) const { return o / group * stride + o % group; }
};
OutputLayout plain_outputs(int64_t channels);  // one group, padded to 64

struct Requantizer {
  SharedValues<float> multipliers;
  SharedValues<int16_t> zero_points;  // those that pad the outputs become 0
  SharedValues<float> thresholds;     // null: no activation
  RequantizeArgs shared;              // all that is one for the whole step

  // The epilogue of outputs from index `at` on, of pixels of a tensor that begins at y.
  RequantizeArgs at(int64_t index) const;
};

// Constants: multipliers float32, and with activation "fatrelu" thresholds float32 in units of the output's scale, one
// for each output. Attributes: y_zero_point, max_value (units of the output's scale), and of a residual
// residual_scale, residual_zero_point and, where the sum is rounded before the addition, sum_scale, sum_zero_point.
// Throws Error.
Requantizer parse_requantizer(const StepSpec& step, const OutputLayout& outputs);

// An attribute in [0, 255], 0 where it is absent. Throws Error.
int64_t get_zero_point(const StepSpec& step, const char* name);

// values[o], or `each` where there are none, at its place; `padding` everywhere else.
template <typename T>
SharedValues<T> pack_outputs(const OutputLayout& outputs, const T* values, T each, T padding) {
  PackedValues<T> packed(static_cast<size_t>(outputs.count));
  std::fill_n(packed.data(), outputs.count, padding);
  for (int64_t o = 0; o < outputs.outputs; ++o) packed.data()[outputs.at(o)] = values ? values[o] : each;
  return std::make_shared<const PackedValues<T>>(std::move(packed));
}

// A constant of one value for each of `count` outputs; null where it is absent. Throws Error.
template <typename T>
const T* find_values(const StepSpec& step, const char* role, int64_t count) {
  const ConstantView* constant = step.find_constant(role);
  if (!constant) return nullptr;
  check(constant->elements() == count, "constant '", role, "' must hold one value per output channel");
  return constant->as<T>();
}

}  // namespace zeroskip
