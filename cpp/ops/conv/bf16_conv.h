// bf16 convolution and linear layers: y = clip(FATReLU(conv(x) + bias [+ residual])) of type bf16 or float32, skipping zeros
// where that wins. A tile of output pixels is computed by lists of non-zeros or by the dense kernel, whichever suits its
// density; both read the same packed weights.
#pragma once

#include <string>

#include "kernels/lookup.h"
#include "ops/conv/bf16_constants.h"

namespace zeroskip {

class Bf16Conv final : public Op {
 public:
  Bf16Conv(const StepSpec& step, const BuildContext& context);

  void run(const RunContext& context) const override;
  size_t scratch_bytes() const override;
  std::string kernel_name() const override;
  std::string plan_text() const override { return to_text(plan_); }
  std::optional<double> input_density(const RunContext& context) const override;

 private:
  // A thread's working memory.
  struct Scratch {
    std::byte* records;
    std::byte* pointers;
    float* acc;
  };
  Scratch thread_scratch(const RunContext& context, int thread) const;

  bool is_sparse(const Tensor& x, const ConvTask& task) const;
  void run_dense(const RunContext& context, const ConvTask& task, const Scratch& scratch) const;
  void run_sparse(const RunContext& context, const ConvTask& task, const Scratch& scratch) const;

  // Null outside the image.
  const Bf16* input_pixel(const Tensor& x, const ConvTask& task, int64_t iy, int64_t ix) const;
  void point_at_pixels(const Tensor& x, const ConvTask& task, const Bf16** pixels) const;
  void list_tile(const Tensor& x, const ConvTask& task, std::byte* records) const;
  void list_pair(const Tensor& x, const ConvTask& task, int64_t iy, int64_t ix, std::byte* records) const;
  void point_at_lists(const ConvTask& task, const std::byte* records, const std::byte** lists) const;
  void run_panels(const ConvTask& task, int64_t slab, int64_t column, const BconvEpilogueArgs& epilogue,
                  const Scratch& scratch) const;

  const Bf16* slab_at(const ConvTask& task, int64_t slab) const;
  int64_t output_at(const ConvTask& task, int64_t slab) const;  // index into the constants of outputs
  // The epilogue from a task's first pixel on, for the outputs of a slab from a column on.
  BconvEpilogueArgs epilogue_at(const RunContext& context, const ConvTask& task, int64_t slab,
                                int64_t column) const;

  const KernelTable& kernels_;
  Bf16ConvPlan plan_;
  Bf16ConvConstants constants_;
  Kernel<BspconvFn> sparse_;
  Kernel<BdconvFn> dense_;
};

}  // namespace zeroskip
