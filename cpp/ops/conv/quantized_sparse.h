// The sparse algorithm of u8 convolutions: lists of the non-zeros of pairs of pixels, made once per tile, walk over the
// panels of weights of every range of output channels.
#pragma once

#include <span>

#include "ops/conv/quantized_layer.h"

namespace zeroskip {

class QuantizedSparseConv {
 public:
  explicit QuantizedSparseConv(const QuantizedLayer& layer)
      : layer_(layer), kernel_(get_kernel<QspconvFn>(layer.kernels(), {.kind = "qspconv"})) {}

  void run(const RunContext& context, const ConvTask& task, const QuantizedThreadScratch& scratch) const;
  const char* kernel_name() const { return kernel_.name; }

 private:
  // What a list is of: a row that the tile reads and, in it, a pair of output pixels or, where taps have lists of their
  // own, the column under a pair's first pixel.
  struct ListGrid {
    int64_t rows, columns;
  };
  ListGrid list_grid(const ConvTile& tile) const;

  const uint8_t* pixel(const Tensor& x, const ConvTask& task, int64_t iy, int64_t ix) const;
  void list_tile(const Tensor& x, const ConvTask& task, std::byte* records, const std::byte** lists) const;
  void point_at_lists(const ConvTask& task, const std::byte* const* lists, const std::byte** visits) const;
  int64_t visits_of_list(const ConvTask& task) const;

  struct Visit;
  Visit after(Visit visit) const;
  std::span<const std::byte> weights_of(const ConvTask& task, const Visit& visit) const;

  QuantizedLayer layer_;
  Kernel<QspconvFn> kernel_;
};

}  // namespace zeroskip
