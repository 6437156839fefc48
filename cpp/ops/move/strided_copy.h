// Moving the elements of row tensors by strides: the operator behind transpose, slice and row padding.
#pragma once

#include <optional>
#include <vector>

#include "ops/op.h"

namespace zeroskip {

// Element (i0, i1, ...) goes from from_offset + sum(i * from_stride) to to_offset + sum(i * to_stride).
struct CopyAxis {
  int64_t count, from_stride, to_stride;
};

class StridedCopy final : public Op {
 public:
  // With `fill`, the whole output is set to it first.
  StridedCopy(const KernelTable& kernels, std::vector<CopyAxis> axes, int64_t from_offset, int64_t to_offset,
              std::optional<float> fill = std::nullopt);

  void run(const RunContext& context) const override;
  std::string kernel_name() const override;

 private:
  void copy_item(const float* from, float* to) const;

  const KernelTable& kernels_;
  std::vector<CopyAxis> outer_;  // walked one by one
  CopyAxis inner_{1, 1, 1};      // copied by one call ...
  CopyAxis column_{1, 1, 1};     // ... together with this axis, when the two are a transposition
  bool is_transposition_ = false;
  int64_t from_offset_, to_offset_;
  std::optional<float> fill_;
};

}  // namespace zeroskip
