// The constants of a bf16 convolution, packed as its kernels read them.
#pragma once

#include "ops/conv/bf16_plan.h"
#include "ops/requantize.h"

namespace zeroskip {

// Values of outputs have index (group * slabs + slab) * 64 + output.
struct Bf16ConvConstants {
  SharedValues<Bf16> weights;  // [group][slab][tap][channel][64], rounded to nearest even
  SharedValues<float> bias;
  SharedValues<float> thresholds;  // null: no activation
  float max_value;
  SharedValues<Bf16> zeros;  // a pixel of them
};

// Checks and packs them: weight and bias (optional) float32, thresholds with activation "fatrelu". Throws Error.
Bf16ConvConstants pack_bf16_constants(const Bf16ConvPlan& plan, const StepSpec& step,
                                      const BuildContext& context);

}  // namespace zeroskip
