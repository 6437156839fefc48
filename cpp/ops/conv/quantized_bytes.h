// The dense algorithm of u8 convolutions by bytes, where the instruction that multiplies them saturates: a block's weights
// are expanded in the order that its quads need.
#pragma once

#include "ops/conv/quantized_layer.h"

namespace zeroskip {

class QuantizedByteConv {
 public:
  explicit QuantizedByteConv(const QuantizedLayer& layer)
      : layer_(layer),
        kernel_(get_kernel<QdbytesFn>(layer.kernels(), {.kind = "qdconv_bytes", .columns = 16})) {}

  void run(const RunContext& context, const ConvTask& task, const QuantizedThreadScratch& scratch) const;
  const char* kernel_name() const { return kernel_.name; }

 private:
  QuantizedLayer layer_;
  Kernel<QdbytesFn> kernel_;
};

}  // namespace zeroskip
