// u8 convolution and linear layers: y = requantise(conv(x - zero_point) + bias [+ residual]), skipping zeros where that
// wins. A tile of output pixels is computed by lists of non-zeros or by the dense kernel, whichever suits its density;
// both read the same packed weights.
#pragma once

#include <string>

#include "ops/conv/quantized_bytes.h"
#include "ops/conv/quantized_dense.h"
#include "ops/conv/quantized_quads.h"
#include "ops/conv/quantized_sparse.h"

namespace zeroskip {

class QuantizedConv final : public Op {
 public:
  QuantizedConv(const StepSpec& step, const BuildContext& context);
  QuantizedConv(const QuantizedConv&) = delete;  // its parts refer to it
  QuantizedConv& operator=(const QuantizedConv&) = delete;

  void run(const RunContext& context) const override;
  size_t scratch_bytes() const override;
  std::string kernel_name() const override;
  std::string plan_text() const override { return to_text(plan_); }

 private:
  const char* dense_kernel_name() const;
  void run_dense(const RunContext& context, const ConvTask& task,
                 const QuantizedThreadScratch& scratch) const;
  bool is_sparse(const Tensor& x, const ConvTask& task) const;

  QuantizedConvPlan plan_;
  QuantizedConvConstants constants_;
  QuantizedLayer layer_;
  QuantizedSparseConv sparse_;
  QuantizedDenseConv pairs_;
  QuantizedByteConv bytes_;
  QuantizedQuadConv quads_;
};

}  // namespace zeroskip
