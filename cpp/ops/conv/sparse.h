// The sparse algorithm: for every range of output channels and every weight panel, walk the tile's pixels
// once.
#pragma once

#include <string>
#include <vector>

#include "kernels/lookup.h"
#include "ops/conv/constants.h"

namespace zeroskip {

class SparseConv {
 public:
  SparseConv(const ConvLayer& layer, const KernelTable& kernels);

  void run(const ConvOperands& operands, const ConvTask& task, const ConvThreadScratch& scratch) const;
  std::string kernel_name() const;

 private:
  // One call of run_rows or run_points: a range of output channels that one kernel covers.
  struct Range {
    int64_t block, blocks;
  };
  // A weight panel: panel_channels input channels of one tap.
  struct Panel {
    int64_t tap, index;
  };

  void run_rows(const ConvOperands& operands, const ConvTask& task, const Range& range,
                const ConvThreadScratch& scratch) const;
  void run_points(const ConvOperands& operands, const ConvTask& task, const Range& range,
                  const ConvThreadScratch& scratch) const;
  void finish(const ConvOperands& operands, const ConvTask& task, const Range& range, const float* acc) const;
  const std::byte* next_rows_panel(const ConvTask& task, const Range& range, int64_t step) const;
  const std::byte* next_point_panel(const ConvTask& task, const Range& range, int64_t step) const;
  const std::byte* panel_weights(int64_t group, const Range& range, int64_t tap, int64_t channel,
                                 int64_t channels, int64_t taps, float* expanded) const;
  Panel point_panel(int64_t step) const;
  int64_t panels() const { return ceil_div(layer_.plan().layout.in, layer_.plan().sparse.panel_channels); }

  ConvLayer layer_;
  const KernelTable& kernels_;
  // By the number of blocks of 16 outputs that are left; those of the other form are empty.
  std::vector<Kernel<SpconvPointFn>> point_kernels_;
  std::vector<Kernel<SpconvRowPairFn>> row_pair_kernels_;
};

}  // namespace zeroskip
