#include "ops/move/strided_copy.h"

#include <algorithm>

#include "ops/split.h"

namespace zeroskip {
namespace {

// Drops axes of one element and joins neighbours that both sides walk as one.
std::vector<CopyAxis> simplify(const std::vector<CopyAxis>& axes) {
  std::vector<CopyAxis> result;
  for (const CopyAxis& axis : axes) {
    if (axis.count == 1) continue;
    const bool joins = !result.empty() && result.back().from_stride == axis.count * axis.from_stride &&
                       result.back().to_stride == axis.count * axis.to_stride;
    if (joins)
      result.back() = {result.back().count * axis.count, axis.from_stride, axis.to_stride};
    else
      result.push_back(axis);
  }
  return result;
}

}  // namespace

StridedCopy::StridedCopy(const KernelTable& kernels, DataType type, std::vector<CopyAxis> axes,
                         int64_t from_offset, int64_t to_offset, std::optional<double> fill)
    : element_bytes_(traits(type).bytes),
      transpose_(get_kernel<NhwcToPlanarFn>(kernels, {.kind = "nhwc_to_planar", .input = type})),
      outer_(simplify(axes)),
      from_offset_(from_offset),
      to_offset_(to_offset) {
  if (fill) fill_ = make_element(*fill, type);
  if (outer_.empty()) return;
  inner_ = outer_.back();
  outer_.pop_back();
  if (inner_.to_stride != 1 || inner_.from_stride <= 1) return;
  const auto column =
      std::find_if(outer_.begin(), outer_.end(), [](const CopyAxis& axis) { return axis.from_stride == 1; });
  if (column == outer_.end()) return;
  column_ = *column;
  outer_.erase(column);
  is_transposition_ = true;
}

std::string StridedCopy::kernel_name() const { return is_transposition_ ? transpose_.name : "copy"; }

void StridedCopy::copy_item(const std::byte* from, std::byte* to) const {
  if (is_transposition_) {
    const PlanarArgs args{.pixels = inner_.count,
                          .channels = column_.count,
                          .plane_stride = column_.to_stride,
                          .pixel_stride = inner_.from_stride};
    transpose_.function(args, from, to);
  } else {
    copy_elements(from, inner_.from_stride, to, inner_.to_stride, inner_.count, element_bytes_);
  }
}

void StridedCopy::run(const RunContext& context) const {
  const std::byte* from = context.inputs[0].data + from_offset_ * element_bytes_;
  const Tensor& y = context.outputs[0];
  if (fill_) {
    const Split parts = split_items(y.spec->elements(), 1, context.num_threads);
    parallel_for(context.num_threads, parts.tasks(), [&](int64_t task, int) {
      fill_elements(y.data + parts.begin(task) * element_bytes_, parts.count(task), *fill_);
    });
  }
  int64_t items = 1;
  for (const CopyAxis& axis : outer_) items *= axis.count;
  const Split split = split_items(items, inner_.count * column_.count, context.num_threads);
  parallel_for(context.num_threads, split.tasks(), [&](int64_t task, int) {
    for (int64_t item = split.begin(task); item < split.begin(task) + split.count(task); ++item) {
      int64_t rest = item, from_at = 0, to_at = to_offset_;
      for (size_t axis = outer_.size(); axis-- > 0; rest /= outer_[axis].count) {
        from_at += rest % outer_[axis].count * outer_[axis].from_stride;
        to_at += rest % outer_[axis].count * outer_[axis].to_stride;
      }
      copy_item(from + from_at * element_bytes_, y.data + to_at * element_bytes_);
    }
  });
}

}  // namespace zeroskip
