// The constants of a convolution, packed as its algorithms read them, and the epilogue they make with a run's
// tensors.
#pragma once

#include "ops/conv/task.h"
#include "ops/packed_weights.h"

namespace zeroskip {

struct ConvConstants {
  SharedWeights weights;           // slabs of 64 outputs, see kernels/spconv/spconv.h
  WeightStore::Packed bias;        // [group][slabs * 64]
  WeightStore::Packed thresholds;  // likewise; null: no activation
  float max_value;                 // upper clip behind the thresholds
  WeightStore::Packed residual;    // a constant one: [oh * ow][o], padded to whole blocks; else null
  int64_t residual_pixels;         // after which the residual begins anew
  WeightStore::Packed zeros;       // what a tap outside the image reads
};

// Checks and packs them; what other programs of the session have packed is shared. Throws Error.
ConvConstants pack_constants(const ConvPlan& plan, const StepSpec& step, const BuildContext& context);

// What the algorithms look up: a plan and its constants, which outlive this view.
class ConvLayer {
 public:
  ConvLayer(const ConvPlan& plan, const ConvConstants& constants) : plan_(plan), constants_(constants) {}

  const ConvPlan& plan() const { return plan_; }
  const ConvConstants& constants() const { return constants_; }
  // Bytes from one input channel's weights to the next one's.
  int64_t row_bytes() const { return kSlab * traits(plan_.storage).bytes; }
  const std::byte* weights_at(int64_t group, int64_t block, int64_t tap, int64_t channel) const;
  const float* bias_at(int64_t group, int64_t block) const;
  // The epilogue for the task's output pixels from `row` on; acc, pixels and blocks are left to the caller.
  ConvEpilogueArgs epilogue_at(const ConvOperands& operands, const ConvTask& task, int64_t block,
                               int64_t row) const;

 private:
  const ConvPlan& plan_;
  const ConvConstants& constants_;
};

}  // namespace zeroskip
