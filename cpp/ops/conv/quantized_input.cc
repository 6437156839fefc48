#include "ops/conv/quantized_input.h"

#include <algorithm>
#include <cstring>

namespace zeroskip {
namespace {

// pixels: [tile pixel / 12][tap][12], as point_at_rows leaves them.
void point_at_input(const QuantizedLayer& layer, const Tensor& x, const ConvTask& task,
                    const uint8_t** pixels) {
  const ConvGeometry& g = layer.plan().geometry;
  for_each_pixel(task.tile, [&](int64_t pixel, int64_t oy, int64_t ox) {
    const uint8_t** entry = pixels + first_pointer(pixel, g.taps());
    for (int64_t ky = 0; ky < g.kh; ++ky)
      for (int64_t kx = 0; kx < g.kw; ++kx, entry += kQconvPixels) {
        const int64_t iy = oy * g.sh - g.pad_top + ky * g.dh, ix = ox * g.sw - g.pad_left + kx * g.dw;
        const uint8_t* inside = layer.input_pixel(x, task, iy, ix);
        *entry = inside ? inside : layer.constants().outside->data();
      }
  });
}

// The columns of one input row that the tile reads, zero points where there is padding.
void gather_row(const QuantizedLayer& layer, const Tensor& x, const ConvTask& task, int64_t iy,
                uint8_t* row) {
  const ConvGeometry& g = layer.plan().geometry;
  const InputColumns columns = input_columns(g, task.tile, iy);
  std::fill_n(row, columns.count * g.c, layer.plan().x_zero_point);
  if (layer.plan().input == ConvInput::kPixels) {
    for (int64_t column = columns.first; column < columns.last; ++column)
      std::copy_n(layer.input_pixel(x, task, iy, columns.left + column), g.c, row + column * g.c);
    return;
  }
  const uint8_t* image = x.as<uint8_t>() + task.tile.n * g.c * g.h * g.w;
  if (layer.plan().input == ConvInput::kNhwcRows) {
    std::copy_n(image + (iy * g.w + columns.left + columns.first) * g.c, columns.inside() * g.c,
                row + columns.first * g.c);
    return;
  }
  const uint8_t* from = image + iy * g.w + columns.left + columns.first;
  const PlanarRow planes{from, g.h * g.w, columns.inside(), g.c};
  const auto same = [](uint8_t value) { return value; };
  join_planes(planes, same, row + columns.first * g.c);
}

// May read and write up to 15 bytes more.
inline void copy_run(const uint8_t* from, int64_t count, uint8_t* to) {
  std::memcpy(to, from, 16);
  if (count > 16) std::memcpy(to + 16, from + 16, 16);
  for (int64_t i = 32; i < count; i += 16) std::memcpy(to + i, from + i, 16);
}

// A pixel's window side by side: of a gathered input from its rows, else from the pixels where they lie.
void copy_window(const QuantizedLayer& layer, const uint8_t* rows, int64_t row_stride, uint8_t* window) {
  const ConvGeometry& g = layer.plan().geometry;
  const int64_t run = g.kw * g.c;
  for (int64_t ky = 0; ky < g.kh; ++ky, window += run) copy_run(rows + ky * g.dh * row_stride, run, window);
}
void copy_window(const QuantizedLayer& layer, const Tensor& x, const ConvTask& task, int64_t top,
                 int64_t left, uint8_t* window) {
  const ConvGeometry& g = layer.plan().geometry;
  const int64_t channels = layer.plan().layout.in;
  for (int64_t ky = 0; ky < g.kh; ++ky)
    for (int64_t kx = 0; kx < g.kw; ++kx, window += channels) {
      const uint8_t* inside = layer.input_pixel(x, task, top + ky * g.dh, left + kx * g.dw);
      copy_run(inside ? inside : layer.constants().outside->data(), channels, window);
    }
}

}  // namespace

const uint8_t* const* point_at_bytes(const QuantizedLayer& layer, const Tensor& x, const ConvTask& task,
                                     const QuantizedThreadScratch& scratch) {
  const ConvGeometry& g = layer.plan().geometry;
  auto** pixels = reinterpret_cast<const uint8_t**>(scratch.pointers);
  const QuantizedConvPlan& plan = layer.plan();
  const bool copies = plan.dense.copies_windows;
  if (!plan.gathers_input && !copies) {
    point_at_input(layer, x, task, pixels);
    return pixels;
  }
  auto* rows = reinterpret_cast<uint8_t*>(scratch.input);
  const int64_t row = g.input_columns(task.tile.columns) * g.c;
  const int64_t input_rows = plan.gathers_input ? g.input_rows(task.tile.rows) : 0;
  for (int64_t index = 0; index < input_rows; ++index)
    gather_row(layer, x, task, g.input_row(task.tile.oy, 0) + index, rows + index * row);
  if (!copies) {
    point_at_rows(plan, task.tile, g.c, rows, pixels);
    return pixels;
  }
  uint8_t* window = rows + input_rows * row;
  for_each_pixel(task.tile, [&](int64_t pixel, int64_t oy, int64_t ox) {
    if (plan.gathers_input)
      copy_window(layer, rows + (oy - task.tile.oy) * g.sh * row + (ox - task.tile.ox) * g.sw * g.c, row,
                  window);
    else
      copy_window(layer, x, task, oy * g.sh - g.pad_top, ox * g.sw - g.pad_left, window);
    pixels[first_pointer(pixel, 1)] = window;
    window += plan.dense.window_bytes();
  });
  return pixels;
}

}  // namespace zeroskip
