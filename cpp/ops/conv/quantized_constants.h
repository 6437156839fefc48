// The constants of a u8 convolution, packed as its kernels read them, and the epilogue that goes with them.
#pragma once

#include <memory>
#include <vector>

#include "ops/conv/quantized_plan.h"

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

// Of all outputs of the padded slabs of all groups: index (group * slabs + slab) * 64 + output.
struct QuantizedConvConstants {
  SharedValues<int8_t> weights;  // [group][slab][tap][channel][64]
  SharedValues<int32_t> bias;
  SharedValues<float> multipliers;
  SharedValues<int16_t> zero_points;
  SharedValues<float> thresholds;  // null: no activation
  RequantizeArgs epilogue;         // all that is one for the whole step
};

// Checks and packs them. Constants: weight s8; bias s32 (optional), multipliers float32, thresholds float32 (with
// activation "fatrelu", in units of the output's scale), one for each output. Attributes: y_zero_point, max_value
// (units of the output's scale), and of a residual residual_scale, residual_zero_point and, where the sum is rounded
// before the addition, sum_scale, sum_zero_point. Throws Error.
QuantizedConvConstants pack_quantized_constants(const QuantizedConvPlan& plan, const StepSpec& step,
                                                const BuildContext& context);

// Reads what of an epilogue is one for the whole step; the pointers are left to the caller. Throws Error.
RequantizeArgs parse_requantize(const StepSpec& step);

}  // namespace zeroskip
