// What both algorithms of a u8 convolution share: where a task finds its input, its constants and its output.
#pragma once

#include "kernels/lookup.h"
#include "ops/conv/quantized_constants.h"

namespace zeroskip {

// A thread's working memory.
struct QuantizedThreadScratch {
  std::byte* input;
  std::byte* pointers;
  int32_t* acc;
  int16_t* weights;
  uint8_t* y;
};
QuantizedThreadScratch thread_scratch(const QuantizedConvPlan& plan, const RunContext& context, int thread);

class QuantizedLayer {
 public:
  QuantizedLayer(const QuantizedConvPlan& plan, const QuantizedConvConstants& constants,
                 const KernelTable& kernels)
      : plan_(plan), constants_(constants), kernels_(kernels) {}

  const QuantizedConvPlan& plan() const { return plan_; }
  const QuantizedConvConstants& constants() const { return constants_; }
  const KernelTable& kernels() const { return kernels_; }

  // A pixel's first channel of the task's group. Null outside the image.
  const uint8_t* input_pixel(const Tensor& x, const ConvTask& task, int64_t iy, int64_t ix) const;
  const int8_t* slab_at(const ConvTask& task, int64_t slab) const;
  int64_t output_at(const ConvTask& task, int64_t slab) const;  // index into the constants of outputs
  // The epilogue from a task's first pixel on, for the outputs of a slab; `row_y` is where a row tensor's wait.
  RequantizeArgs epilogue_at(const RunContext& context, const ConvTask& task, int64_t slab,
                             uint8_t* row_y) const;
  // Zeros behind the outputs that kernels wrote, up to the slab's end; of a row tensor the outputs that exist go there.
  void finish_slab(const RunContext& context, const ConvTask& task, int64_t slab, int64_t columns,
                   const uint8_t* row_y) const;

 private:
  const QuantizedConvPlan& plan_;
  const QuantizedConvConstants& constants_;
  const KernelTable& kernels_;
};

}  // namespace zeroskip
