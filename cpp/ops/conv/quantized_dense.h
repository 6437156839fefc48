// The dense algorithm of u8 convolutions by expanded weights, a dozen pixels at a time: with activations in 16 bits, or in 8
// where small weights let them be.
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
  // Pointers to the pixels, as the kernel reads them.
  const std::byte* const* point_at_tile(const Tensor& x, const ConvTask& task,
                                        const QuantizedThreadScratch& scratch) const;
  void widen_tile(const Tensor& x, const ConvTask& task, int16_t* wide) const;
  void widen_row(const Tensor& x, const ConvTask& task, int64_t iy, int16_t* wide) const;
  void point_at_widened(const ConvTask& task, const int16_t* wide, const int16_t** pixels) const;

  QuantizedLayer layer_;
  std::vector<Kernel<QdconvFn>> kernels_by_blocks_;  // that cover at most so many blocks; of none first
};

}  // namespace zeroskip
