// The dense algorithm of u8 convolutions: activations and weights brought to 16 bits, a dozen pixels at a time.
#pragma once

#include "ops/conv/quantized_layer.h"

namespace zeroskip {

class QuantizedDenseConv {
 public:
  explicit QuantizedDenseConv(const QuantizedLayer& layer)
      : layer_(layer),
        kernel_(get_kernel<QdconvFn>(layer.kernels(),
                                     {.kind = "qdconv", .columns = layer.plan().dense.columns})) {}

  void run(const RunContext& context, const ConvTask& task, const QuantizedThreadScratch& scratch) const;
  const char* kernel_name() const { return kernel_.name; }

 private:
  void widen_tile(const Tensor& x, const ConvTask& task, int16_t* wide) const;
  void widen_row(const Tensor& x, const ConvTask& task, int64_t iy, int16_t* wide) const;
  void point_at_widened(const ConvTask& task, const int16_t* wide, const int16_t** pixels) const;

  QuantizedLayer layer_;
  Kernel<QdconvFn> kernel_;
};

}  // namespace zeroskip
