#include "ops/conv/geometry.h"

#include <algorithm>
#include <utility>

#include "ops/shapes.h"

namespace zeroskip {
namespace {

// Output size of one spatial axis; the planner's output may be that size only.
int64_t output_size(int64_t size, int64_t kernel, int64_t stride, int64_t pads, int64_t dilation) {
  const int64_t span = (kernel - 1) * dilation + 1;
  return size + pads < span ? 0 : (size + pads - span) / stride + 1;
}

// The outputs [first, last) of one axis whose input, at output * stride + shift, lies in [0, size).
void find_valid(int64_t size, int64_t outputs, int64_t stride, int64_t shift, int64_t* first, int64_t* last) {
  *first = shift >= 0 ? 0 : std::min(outputs, ceil_div(-shift, stride));
  *last = size - 1 - shift < 0 ? 0 : std::min(outputs, (size - 1 - shift) / stride + 1);
  *last = std::max(*first, *last);
}

// One pixel wide, windows included: an array of one dimension that the model keeps in an image's height.
bool is_column(const ConvGeometry& g) {
  return g.w == 1 && g.kw == 1 && g.pad_left == 0 && g.pad_right == 0 && g.h > 1;
}

// The same pixels, in memory as they are, as one row: kernels take runs of pixels along a row, which in a column
// were of one pixel each (CREPE's second layer of 64 taps took 1.6 times as long; Zen 3, November 2026).
ConvGeometry lay_column(ConvGeometry g) {
  std::swap(g.h, g.w), std::swap(g.oh, g.ow), std::swap(g.kh, g.kw), std::swap(g.sh, g.sw),
      std::swap(g.dh, g.dw);
  std::swap(g.pad_top, g.pad_left), std::swap(g.pad_bottom, g.pad_right);
  return g;
}

}  // namespace

void ConvGeometry::valid_columns(int64_t kx, int64_t* first, int64_t* last) const {
  find_valid(w, ow, sw, kx * dw - pad_left, first, last);
}

void ConvGeometry::valid_rows(int64_t ky, int64_t* first, int64_t* last) const {
  find_valid(h, oh, sh, ky * dh - pad_top, first, last);
}

bool ConvGeometry::pairs_read_column(int64_t pairs, int64_t column) const {
  for (int64_t kx = 0; kx < kw; ++kx) {
    const int64_t from_tap = column - kx * dw;
    if (from_tap >= 0 && from_tap % (2 * sw) == 0 && from_tap / (2 * sw) < pairs) return true;
  }
  return false;
}

ConvGeometry make_conv_geometry(const StepSpec& step, const TensorSpec& x, const TensorSpec& y,
                                const ConstantView& weight, bool input_is_nhwc_rows) {
  const std::string where = "step '" + step.name + "' (conv): ";
  check(x.shape.size() == 4 && y.shape.size() == 4, where, "input and output must be 4-D");
  check(weight.shape.size() == 4, where, "weight must be 4-D (out, in / groups, kernel_h, kernel_w)");
  const auto kernel = step.get_ints("kernel", 2), strides = step.get_ints("strides", 2);
  const auto pads = step.get_ints("pads", 4), dilations = step.get_ints("dilations", 2);
  ConvGeometry g{};
  g.n = x.shape[0];
  g.c = input_is_nhwc_rows ? x.shape[3] : x.shape[1];
  g.h = input_is_nhwc_rows ? x.shape[1] : x.shape[2];
  g.w = input_is_nhwc_rows ? x.shape[2] : x.shape[3];
  g.o = y.c(), g.oh = y.h(), g.ow = y.w();
  g.kh = kernel[0], g.kw = kernel[1], g.sh = strides[0], g.sw = strides[1], g.dh = dilations[0],
  g.dw = dilations[1];
  g.pad_top = pads[0], g.pad_left = pads[1], g.pad_bottom = pads[2], g.pad_right = pads[3];
  g.groups = step.get_int("groups", 1);
  constexpr int64_t kLimit = 1 << 20;  // keeps every product of two of these inside int64
  for (int64_t value : {g.kh, g.kw, g.sh, g.sw, g.dh, g.dw, g.groups})
    check(value >= 1 && value <= kLimit, where, "kernel, strides, dilations and groups must be in [1, ",
          kLimit, "], got ", value);
  for (int64_t value : pads)
    check(value >= 0 && value <= kLimit, where, "pads must be in [0, ", kLimit, "], got ", value);
  check(g.c % g.groups == 0 && g.o % g.groups == 0, where, "channels ", g.c, " -> ", g.o,
        " are not divisible by groups ", g.groups);
  check(weight.shape == std::vector<int64_t>({g.o, g.c / g.groups, g.kh, g.kw}), where,
        "weight shape does not match (", g.o, ", ", g.c / g.groups, ", ", g.kh, ", ", g.kw, ")");
  check(y.n() == g.n, where, "output batch ", y.n(), " differs from input batch ", g.n);
  const int64_t oh = output_size(g.h, g.kh, g.sh, g.pad_top + g.pad_bottom, g.dh);
  const int64_t ow = output_size(g.w, g.kw, g.sw, g.pad_left + g.pad_right, g.dw);
  check(oh == g.oh && ow == g.ow, where, "output is ", g.oh, "x", g.ow, ", expected ", oh, "x", ow);
  // Rows that the caller holds are read tap by tap along a row, without gaps.
  const bool can_lie = x.layout == Layout::kNhwc || g.dh == 1;
  return is_column(g) && can_lie ? lay_column(g) : g;
}

ConvGeometry make_linear_geometry(const TensorSpec& x, const TensorSpec& y, const ConstantView& weight) {
  check(weight.shape.size() == 2, "weight must be 2-D (out, in)");
  check(!x.shape.empty() && !y.shape.empty(), "x and y need at least one axis");
  const bool is_map = x.layout == Layout::kNhwc;
  check(!is_map || (x.h() == 1 && x.w() == 1), "an nhwc input needs H = W = 1, got ", shape_text(x.shape));
  const int64_t in = is_map ? x.c() : x.shape.back(), out = weight.shape[0];
  check(weight.shape[1] == in, "weight has ", weight.shape[1], " inputs, x ", in);
  std::vector<int64_t> shape = is_map ? std::vector<int64_t>{x.n(), 1} : x.shape;
  shape.back() = out;
  require_layout(y, Layout::kRow);
  require_shape(y, shape);
  ConvGeometry g{};
  g.n = g.h = g.oh = g.kh = g.kw = g.sh = g.sw = g.dh = g.dw = g.groups = 1;
  g.c = in, g.o = out, g.w = g.ow = x.elements() / in;
  return g;
}

ConvGeometry flatten_pointwise(ConvGeometry g) {
  g.w = g.ow = g.n * g.h * g.w;
  g.n = g.h = g.oh = 1;
  return g;
}

}  // namespace zeroskip
