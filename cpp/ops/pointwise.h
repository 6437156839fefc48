// The operator behind add, mul, affine and activation: one pointwise kernel over a tensor of either layout.
#pragma once

#include <string>

#include "kernels/lookup.h"
#include "ops/op.h"

namespace zeroskip {

// A kernel and its parameters. Pointers in `args` to tensors and masks stay null: they are set per run.
struct Pointwise {
  Kernel<EltwiseFn> kernel;
  EltwiseArgs args{};     // scalars only
  AlignedFloats scale{};  // [channels rounded up to 16] each, or empty
  AlignedFloats bias{};
  AlignedFloats thresholds{};
};

// Nothing but the kernel of that kind for the type of the step's output. Throws Error where there is none.
Pointwise with_kernel(const char* kind, const StepSpec& step, const BuildContext& context);

class PointwiseOp final : public Op {
 public:
  // x, y and (if there are two inputs) other have the same layout and shape; in nhwc, other may instead have
  // H = W = 1 and is then repeated over the pixels of its image. `channel_axis` is where rows keep their
  // channels.
  PointwiseOp(Pointwise pointwise, const StepSpec& step, const BuildContext& context);

  void run(const RunContext& context) const override;
  std::string kernel_name() const override { return pointwise_.kernel.name; }

 private:
  EltwiseArgs base_args() const;
  bool has_channel_parameters() const;
  void run_nhwc(const RunContext& context) const;
  void run_flat(const RunContext& context) const;
  void run_channel_rows(const RunContext& context) const;
  void run_channel_planes(const RunContext& context) const;

  Pointwise pointwise_;
  bool repeats_other_ = false;
  int64_t outer_ = 1, channels_ = 1, inner_ = 1;  // a row tensor as [outer][channels][inner]
};

// Where a row tensor of this step keeps its channels: attribute "axis", by default 1 (0 for rank 1).
size_t row_channel_axis(const StepSpec& step, const TensorSpec& tensor);

// Number of channels of the step's first output, in either layout.
int64_t output_channels(const StepSpec& step, const BuildContext& context);

}  // namespace zeroskip
