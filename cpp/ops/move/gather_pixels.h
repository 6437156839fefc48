// Moving whole pixels of nhwc tensors by index maps: the operator behind nhwc pad and slice, and nearest
// resize.
#pragma once

#include <vector>

#include "ops/mask.h"
#include "ops/move/element.h"
#include "ops/op.h"

namespace zeroskip {

// For every position of y along N, H and W, the position in x it is taken from, or kNowhere for `fill`.
struct PixelMap {
  static constexpr int64_t kNowhere = -1;
  std::vector<int64_t> n, h, w;
  // `count` of x's channels, from `first` on, `step` apart, go to y's channels from `to` on; y's other channels
  // become `fill`.
  int64_t channel_first = 0, channel_count = 0, channel_to = 0, channel_step = 1;
  double fill = 0.0;  // must be exact in the tensors' type
};

// A map that copies every pixel of a tensor as it is.
PixelMap identity_map(const TensorSpec& x);

class GatherPixels final : public Op {
 public:
  // Checks that the map's extents are those of y and that it stays inside x. Throws Error.
  GatherPixels(const StepSpec& step, const BuildContext& context, PixelMap map);

  void run(const RunContext& context) const override;
  std::string kernel_name() const override { return "copy"; }

 private:
  void fill_pixel(const std::byte* from, std::byte* to, const TensorSpec& y) const;

  MaskWriter mask_;
  PixelMap map_;
  Element fill_;
};

}  // namespace zeroskip
