// Moving the elements of row tensors by strides: the operator behind transpose, slice and row padding.
#pragma once

#include <optional>
#include <vector>

#include "kernels/lookup.h"
#include "ops/move/element.h"
#include "ops/op.h"

namespace zeroskip {

// Element (i0, i1, ...) goes from from_offset + sum(i * from_stride) to to_offset + sum(i * to_stride).
struct CopyAxis {
  int64_t count, from_stride, to_stride;
};

class StridedCopy final : public Op {
 public:
  // Of elements of `type`. With `fill`, which must be exact in it, the whole output is set to it first.
  StridedCopy(const KernelTable& kernels, DataType type, std::vector<CopyAxis> axes, int64_t from_offset,
              int64_t to_offset, std::optional<double> fill = std::nullopt);

  void run(const RunContext& context) const override;
  std::string kernel_name() const override;

 private:
  void copy_item(const std::byte* from, std::byte* to) const;

  int64_t element_bytes_;
  Kernel<NhwcToPlanarFn> transpose_;
  std::vector<CopyAxis> outer_;  // walked one by one
  CopyAxis inner_{1, 1, 1};      // copied by one call ...
  CopyAxis column_{1, 1, 1};     // ... together with this axis, when the two are a transposition
  bool is_transposition_ = false;
  int64_t from_offset_, to_offset_;
  std::optional<Element> fill_;
};

}  // namespace zeroskip
