// u8 convolution and linear layers: y = requantise(conv(x - zero_point) + bias [+ residual]), skipping zeros where that
// wins. A tile of output pixels is computed by lists of non-zeros or by the dense kernel, whichever suits its density;
// both read the same packed weights.
#pragma once

#include <string>

#include "kernels/lookup.h"
#include "ops/conv/quantized_constants.h"

namespace zeroskip {

class QuantizedConv final : public Op {
 public:
  QuantizedConv(const StepSpec& step, const BuildContext& context);

  void run(const RunContext& context) const override;
  size_t scratch_bytes() const override;
  std::string kernel_name() const override;
  std::string plan_text() const override { return to_text(plan_); }

 private:
  // A thread's working memory.
  struct Scratch {
    std::byte* input;
    std::byte* pointers;
    int32_t* acc;
    int16_t* weights;
    uint8_t* y;
  };
  Scratch thread_scratch(const RunContext& context, int thread) const;

  bool is_sparse(const Tensor& x, const ConvTask& task) const;
  void run_dense(const RunContext& context, const ConvTask& task, const Scratch& scratch) const;
  void run_sparse(const RunContext& context, const ConvTask& task, const Scratch& scratch) const;

  // The input as the kernels read it.
  const uint8_t* input_pixel(const Tensor& x, const ConvTask& task, int64_t iy, int64_t ix) const;
  void widen_tile(const Tensor& x, const ConvTask& task, int16_t* wide) const;
  void widen_row(const Tensor& x, const ConvTask& task, int64_t iy, int16_t* wide) const;
  void point_at_widened(const ConvTask& task, const int16_t* wide, const int16_t** pixels) const;
  void list_tile(const Tensor& x, const ConvTask& task, std::byte* records) const;
  void point_at_lists(const ConvTask& task, const std::byte* records, const std::byte** lists) const;

  // A weight panel: from a channel and tap on, for the outputs of a slab from a column on.
  struct Panel {
    int64_t channel, tap, column;
  };
  void point_at_rows(const ConvTask& task, int64_t slab, const Panel& panel, int16_t* expanded,
                     QspconvArgs& args) const;

  const int8_t* slab_at(const ConvTask& task, int64_t slab) const;
  int64_t output_at(const ConvTask& task, int64_t slab) const;  // index into the constants of outputs
  // The epilogue from a task's first pixel on, for the outputs of a slab; `row_y` is where a row tensor's wait.
  RequantizeArgs epilogue_at(const RunContext& context, const ConvTask& task, int64_t slab,
                             uint8_t* row_y) const;
  void finish_slab(const RunContext& context, const ConvTask& task, int64_t slab, int64_t columns,
                   const uint8_t* row_y) const;

  const KernelTable& kernels_;
  QuantizedConvPlan plan_;
  QuantizedConvConstants constants_;
  Kernel<QspconvFn> sparse_;
  Kernel<QdconvFn> dense_;
};

}  // namespace zeroskip
