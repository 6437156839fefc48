// slice: starts, ends and steps, one per axis, already resolved by the planner: 0 <= start < extent, step not
// 0.
#include "ops/move/gather_pixels.h"
#include "ops/move/strided_copy.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace zeroskip {
namespace {

struct AxisSlice {
  int64_t start, step, count;
};

std::vector<AxisSlice> parse_slices(const StepSpec& step, const TensorSpec& x, const TensorSpec& y) {
  const size_t rank = x.shape.size();
  check(y.shape.size() == rank, "output needs the input's rank ", rank);
  const auto starts = step.get_ints("starts", rank), ends = step.get_ints("ends", rank);
  const auto steps = step.get_ints("steps", rank);
  std::vector<AxisSlice> slices;
  for (size_t axis = 0; axis < rank; ++axis) {
    const int64_t extent = x.shape[axis], start = starts[axis], end = ends[axis], stride = steps[axis];
    check(start >= 0 && start < extent && end >= -1 && end <= extent, "slice [", start, ", ", end,
          ") of axis ", axis, " is outside [0, ", extent, ")");
    check(stride != 0 && stride >= -extent && stride <= extent, "step ", stride, " of axis ", axis,
          " must be in [-", extent, ", ", extent, "] and not 0");
    const int64_t span = stride > 0 ? end - start : start - end;
    const int64_t count = span > 0 ? ceil_div(span, stride > 0 ? stride : -stride) : 0;
    check(y.shape[axis] == count, "output extent ", y.shape[axis], " of axis ", axis, ", needs ", count);
    slices.push_back({start, stride, count});
  }
  return slices;
}

std::vector<int64_t> positions(const AxisSlice& slice) {
  std::vector<int64_t> map;
  for (int64_t i = 0; i < slice.count; ++i) map.push_back(slice.start + i * slice.step);
  return map;
}

std::unique_ptr<Op> slice_pixels(const StepSpec& step, const BuildContext& context,
                                 const std::vector<AxisSlice>& slices) {
  PixelMap map{.n = positions(slices[0]), .h = positions(slices[2]), .w = positions(slices[3])};
  map.channel_first = slices[1].start;
  map.channel_count = slices[1].count;
  map.channel_step = slices[1].step;
  return std::make_unique<GatherPixels>(step, context, std::move(map));
}

}  // namespace

std::unique_ptr<Op> make_slice(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  const TensorSpec& x = context.input(step, 0);
  const TensorSpec& y = context.output(step, 0);
  require_same_layout(x, y);
  const std::vector<AxisSlice> slices = parse_slices(step, x, y);
  if (x.layout == Layout::kNhwc) return slice_pixels(step, context, slices);
  const auto from = row_strides(x.shape), to = row_strides(y.shape);
  std::vector<CopyAxis> axes;
  int64_t offset = 0;
  for (size_t axis = 0; axis < slices.size(); ++axis) {
    axes.push_back({slices[axis].count, from[axis] * slices[axis].step, to[axis]});
    offset += slices[axis].start * from[axis];
  }
  return std::make_unique<StridedCopy>(context.kernels, x.dtype, std::move(axes), offset, 0);
}

}  // namespace zeroskip
