// The convolution operator: y = activation(conv(x) + bias + residual), skipping zero inputs where that wins.
// The residual is another tensor, or a constant map that is the same for every image.
//
// Work is cut into tiles of output pixels and ranges of output channels. Every tile first counts the set bits
// of the input rows it reads and takes the sparse or the dense algorithm by that density, so a layer is never
// much slower than its dense form. Both algorithms read the same packed weights. What will be done stands in
// the plan; here is only chosen.
#pragma once

#include <memory>
#include <optional>

#include "ops/conv/dense.h"
#include "ops/conv/sparse.h"
#include "ops/conv/winograd.h"

namespace zeroskip {

class Conv final : public Op {
 public:
  Conv(const StepSpec& step, const BuildContext& context);
  Conv(const Conv&) = delete;  // its parts refer to it
  Conv& operator=(const Conv&) = delete;

  void run(const RunContext& context) const override;
  size_t scratch_bytes() const override;
  std::string kernel_name() const override;
  std::string plan_text() const override { return to_text(plan_); }
  std::optional<double> steady_density() const override {
    if (!winograd_ || plan_.algorithm != ConvAlgorithm::kAuto) return std::nullopt;
    return plan_.winograd_density;
  }

 private:
  ConvOperands operands(const RunContext& context) const;
  // Whether at most the share `density` of pixels' channels, from `first` on, is not zero.
  bool is_sparse(const ConvOperands& operands, const PixelRange& pixels, double density) const;
  bool takes_sparse(const ConvOperands& operands, const ConvTile& tile) const;
  bool takes_winograd(const ConvOperands& operands) const;
  void run_winograd(const RunContext& context, const ConvOperands& operands) const;

  const KernelTable& kernels_;
  ConvPlan plan_;
  ConvConstants constants_;
  ConvLayer layer_;
  SparseConv sparse_;
  DenseConv dense_;
  std::optional<WinogradConv> winograd_;  // absent: direct convolution only
};

}  // namespace zeroskip
