#include "ops/window.h"

#include "ops/shapes.h"

namespace zeroskip {
namespace {

constexpr int64_t kMaxWindow = 1 << 20;  // keeps every product of two of these inside int64

// One axis of a window.
struct Axis {
  const char* name;
  int64_t in, out, kernel, stride, pad_begin, pad_end, dilation;
};

void check_range(const char* attribute, const std::vector<int64_t>& values, int64_t low) {
  for (const int64_t value : values)
    check(value >= low && value <= kMaxWindow, "attribute '", attribute, "' must be in [", low, ", ",
          kMaxWindow, "], got ", value);
}

bool has_tap_inside(const Axis& axis, int64_t position) {
  const int64_t start = position * axis.stride - axis.pad_begin;
  const int64_t skipped = start < 0 ? ceil_div(-start, axis.dilation) : 0;
  return skipped < axis.kernel && start + skipped * axis.dilation < axis.in;
}

void check_axis(const Axis& axis, bool allow_ceil) {
  const int64_t room = axis.in + axis.pad_begin + axis.pad_end - ((axis.kernel - 1) * axis.dilation + 1);
  // Rounded up, a window that is larger than the input by less than a stride still has a place.
  const bool is_ceil = allow_ceil && room > -axis.stride && axis.out == ceil_div(room, axis.stride) + 1;
  check(room >= 0 || is_ceil, "the window is larger than the padded input along ", axis.name);
  const int64_t floor_extent = room / axis.stride + 1;
  check(axis.out == floor_extent || is_ceil, "output extent ", axis.out, " along ", axis.name, ", needs ",
        floor_extent);
  for (int64_t position = 0; allow_ceil && position < axis.out; ++position)
    check(has_tap_inside(axis, position), "window ", position, " along ", axis.name,
          " lies wholly in the padding");
}

}  // namespace

Window parse_window(const StepSpec& step, const TensorSpec& x, const TensorSpec& y, bool allow_ceil) {
  require_layout(x, Layout::kNhwc);
  require_layout(y, Layout::kNhwc);
  check(x.n() == y.n() && x.c() == y.c(), "input ", shape_text(x.shape), " and output ", shape_text(y.shape),
        " need the same batch and channels");
  const auto kernel = step.get_ints("kernel", 2), strides = step.get_ints("strides", 2);
  const auto pads = step.get_ints("pads", 4);
  const bool has_dilations = step.attributes.contains("dilations");
  const auto dilations = has_dilations ? step.get_ints("dilations", 2) : std::vector<int64_t>{1, 1};
  check_range("kernel", kernel, 1);
  check_range("strides", strides, 1);
  check_range("dilations", dilations, 1);
  check_range("pads", pads, 0);
  check_axis({"H", x.h(), y.h(), kernel[0], strides[0], pads[0], pads[2], dilations[0]}, allow_ceil);
  check_axis({"W", x.w(), y.w(), kernel[1], strides[1], pads[1], pads[3], dilations[1]}, allow_ceil);
  return {.kernel_h = kernel[0],
          .kernel_w = kernel[1],
          .stride_h = strides[0],
          .stride_w = strides[1],
          .pad_top = pads[0],
          .pad_left = pads[1],
          .pad_bottom = pads[2],
          .pad_right = pads[3],
          .dilation_h = dilations[0],
          .dilation_w = dilations[1]};
}

}  // namespace zeroskip
