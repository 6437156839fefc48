// The dense algorithm of u8 convolutions by pairs: activations and expanded weights in 16 bits, a dozen pixels at a time.
#pragma once

#include <vector>

#include "ops/conv/quantized_layer.h"

namespace zeroskip {

class QuantizedDenseConv {
 public:
  explicit QuantizedDenseConv(const QuantizedLayer& layer);

  void run(const RunContext& context, const ConvTask& task, const QuantizedThreadScratch& scratch) const;
  const char* kernel_name() const { return kernels_by_blocks_.back().name; }

 private:
  void widen_tile(const Tensor& x, const ConvTask& task, int16_t* wide) const;
  void widen_row(const Tensor& x, const ConvTask& task, int64_t iy, int16_t* wide) const;
  void point_at_widened(const ConvTask& task, const int16_t* wide, const int16_t** pixels) const;

  QuantizedLayer layer_;
  std::vector<Kernel<QdconvFn>> kernels_by_blocks_;  // that cover at most so many blocks; of none first
};

}  // namespace zeroskip
