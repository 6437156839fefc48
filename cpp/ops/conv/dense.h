// The dense algorithm: implicit GEMM over lists of pixel pointers, a dozen pixels at a time.
#pragma once

#include <string>
#include <vector>

#include "kernels/lookup.h"
#include "ops/conv/constants.h"

namespace zeroskip {

class DenseConv {
 public:
  DenseConv(const ConvLayer& layer, const KernelTable& kernels);

  // Of a gathered input `operands.x` are its rows.
  void run(const ConvOperands& operands, const ConvTask& task, const ConvThreadScratch& scratch) const;
  std::string kernel_name() const;

 private:
  void list_pixels(const ConvOperands& operands, const ConvTask& task, const float** pixels) const;
  void list_gathered_pixels(const float* gathered, const ConvTask& task, const float** pixels) const;
  const float* weights(int64_t group, int64_t block, int64_t blocks, int64_t tap, int64_t taps,
                       float* expanded) const;

  ConvLayer layer_;
  std::vector<Kernel<DconvFn>> kernels_by_blocks_;  // from 0 (none) to the plan's, one for every number
  PackRowsFn expand_;                               // of weights as they are stored
};

}  // namespace zeroskip
