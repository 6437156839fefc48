// pad: `pads` in ONNX order (all begins, then all ends), mode constant, edge or reflect. Negative pads are
// the planner's business (they are slices).
#include "ops/move/gather_pixels.h"
#include "ops/move/strided_copy.h"
#include "ops/ops.h"
#include "ops/shapes.h"

namespace zeroskip {
namespace {

constexpr int64_t kMaxPad = int64_t{1} << 30;

std::vector<int64_t> parse_pads(const StepSpec& step, const TensorSpec& x, const TensorSpec& y) {
  const size_t rank = x.shape.size();
  check(y.shape.size() == rank, "output needs the input's rank ", rank);
  const std::vector<int64_t> pads = step.get_ints("pads", 2 * rank);
  std::vector<int64_t> shape;
  for (size_t axis = 0; axis < rank; ++axis) {
    for (const int64_t pad : {pads[axis], pads[rank + axis]})
      check(pad >= 0 && pad <= kMaxPad, "pads must be in [0, ", kMaxPad, "], got ", pad);
    shape.push_back(pads[axis] + x.shape[axis] + pads[rank + axis]);
  }
  require_shape(y, shape);
  return pads;
}

// Where output position `i` of an axis comes from.
int64_t source(const std::string& mode, int64_t i, int64_t extent) {
  if (i >= 0 && i < extent) return i;
  if (mode == "constant") return PixelMap::kNowhere;
  if (mode == "edge") return i < 0 ? 0 : extent - 1;
  const int64_t mirrored = i < 0 ? -i : 2 * (extent - 1) - i;
  check(mirrored >= 0 && mirrored < extent, "reflect needs pads smaller than the extent ", extent);
  return mirrored;
}

std::vector<int64_t> axis_map(const std::string& mode, int64_t before, int64_t extent, int64_t after) {
  std::vector<int64_t> map;
  for (int64_t i = -before; i < extent + after; ++i) map.push_back(source(mode, i, extent));
  return map;
}

std::unique_ptr<Op> pad_pixels(const StepSpec& step, const BuildContext& context,
                               const std::vector<int64_t>& pads, const std::string& mode, double value) {
  const TensorSpec& x = context.input(step, 0);
  check(mode == "constant" || (pads[1] == 0 && pads[5] == 0), "mode ", mode, " cannot pad channels");
  PixelMap map{.n = axis_map(mode, pads[0], x.n(), pads[4]),
               .h = axis_map(mode, pads[2], x.h(), pads[6]),
               .w = axis_map(mode, pads[3], x.w(), pads[7])};
  map.channel_count = x.c();
  map.channel_to = pads[1];
  map.fill = value;
  return std::make_unique<GatherPixels>(step, context, std::move(map));
}

}  // namespace

std::unique_ptr<Op> make_pad(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  const TensorSpec& x = context.input(step, 0);
  const TensorSpec& y = context.output(step, 0);
  require_same_layout(x, y);
  const std::vector<int64_t> pads = parse_pads(step, x, y);
  const std::string mode = step.get_string("mode", "constant");
  check(mode == "constant" || mode == "edge" || mode == "reflect", "mode is '", mode,
        "', needs 'constant', 'edge' or 'reflect'");
  const double value = step.get_float("value", 0.0);
  if (x.layout == Layout::kNhwc) return pad_pixels(step, context, pads, mode, value);

  check(mode == "constant", "a row tensor takes mode 'constant' only, got '", mode, "'");
  const auto from = row_strides(x.shape), to = row_strides(y.shape);
  std::vector<CopyAxis> axes;
  int64_t offset = 0;
  for (size_t axis = 0; axis < x.shape.size(); ++axis) {
    axes.push_back({x.shape[axis], from[axis], to[axis]});
    offset += pads[axis] * to[axis];
  }
  return std::make_unique<StridedCopy>(context.kernels, x.dtype, std::move(axes), 0, offset, value);
}

}  // namespace zeroskip
