// The dense algorithm of u8 convolutions where an instruction multiplies quads: activations and weights are read where they
// lie.
#pragma once

#include "ops/conv/quantized_layer.h"

namespace zeroskip {

class QuantizedQuadConv {
 public:
  explicit QuantizedQuadConv(const QuantizedLayer& layer)
      : layer_(layer), kernel_(get_kernel<QdquadsFn>(layer.kernels(), {.kind = "qdconv_quads"})) {}

  void run(const RunContext& context, const ConvTask& task, const QuantizedThreadScratch& scratch) const;
  const char* kernel_name() const { return kernel_.name; }

 private:
  QuantizedLayer layer_;
  Kernel<QdquadsFn> kernel_;
};

}  // namespace zeroskip
