// The constants of a u8 convolution, packed as its kernels read them.
#pragma once

#include "ops/conv/quantized_plan.h"
#include "ops/requantize.h"

namespace zeroskip {

// Values of outputs have index (group * slabs + slab) * 64 + output.
struct QuantizedConvConstants {
  SharedValues<int8_t> weights;        // [group][slab][tap][channel][64]
  SharedValues<std::byte> orders;      // [group][slab][block][tap] of quads; null: not by bytes
  SharedValues<int32_t> bias;          // of sums of x - zero_point
  SharedValues<int32_t> shifted_bias;  // of sums of x, padding being the zero point
  SharedValues<uint8_t> outside;       // the channels of a pixel of zero points; null where those are 0
  Requantizer requantizer;
};

// Checks and packs them: weight s8, bias s32 (optional), and those of parse_requantizer. Throws Error.
QuantizedConvConstants pack_quantized_constants(const QuantizedConvPlan& plan, const StepSpec& step,
                                                const BuildContext& context);

}  // namespace zeroskip
