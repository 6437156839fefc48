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

// Copies a tile's windows one after the other, each by copy_window(oy, ox, to), and points at them.
template <typename CopyWindow>
void copy_windows(const QuantizedConvPlan& plan, const ConvTile& tile, uint8_t* to, const uint8_t** pixels,
                  const CopyWindow& copy_window) {
  for_each_pixel(tile, [&](int64_t pixel, int64_t oy, int64_t ox) {
    copy_window(oy, ox, to);
    pixels[first_pointer(pixel, 1)] = to;
    to += plan.dense.window_bytes();
  });
}

// From the pixels where they lie.
void copy_input(const QuantizedLayer& layer, const Tensor& x, const ConvTask& task, uint8_t* windows,
                const uint8_t** pixels) {
  const ConvGeometry& g = layer.plan().geometry;
  const int64_t channels = layer.plan().layout.in;
  copy_windows(layer.plan(), task.tile, windows, pixels, [&](int64_t oy, int64_t ox, uint8_t* to) {
    const int64_t top = oy * g.sh - g.pad_top, left = ox * g.sw - g.pad_left;
    for (int64_t ky = 0; ky < g.kh; ++ky)
      for (int64_t kx = 0; kx < g.kw; ++kx, to += channels) {
        const uint8_t* inside = layer.input_pixel(x, task, top + ky * g.dh, left + kx * g.dw);
        copy_run(inside ? inside : layer.constants().outside->data(), channels, to);
      }
  });
}

// From the rows of a gathered input, `stride` apart.
void copy_rows(const QuantizedConvPlan& plan, const ConvTile& tile, const uint8_t* rows, int64_t stride,
               uint8_t* windows, const uint8_t** pixels) {
  const ConvGeometry& g = plan.geometry;
  const int64_t run = g.kw * g.c;
  copy_windows(plan, tile, windows, pixels, [&](int64_t oy, int64_t ox, uint8_t* to) {
    const uint8_t* from = rows + (oy - tile.oy) * g.sh * stride + (ox - tile.ox) * g.sw * g.c;
    for (int64_t ky = 0; ky < g.kh; ++ky, from += g.dh * stride, to += run) copy_run(from, run, to);
  });
}

}  // namespace

const uint8_t* const* point_at_bytes(const QuantizedLayer& layer, const Tensor& x, const ConvTask& task,
                                     const QuantizedThreadScratch& scratch) {
  const QuantizedConvPlan& plan = layer.plan();
  const ConvGeometry& g = plan.geometry;
  auto** pixels = reinterpret_cast<const uint8_t**>(scratch.pointers);
  auto* rows = reinterpret_cast<uint8_t*>(scratch.input);
  if (!plan.gathers_input) {
    if (plan.dense.copies_windows)
      copy_input(layer, x, task, rows, pixels);
    else
      point_at_input(layer, x, task, pixels);
    return pixels;
  }
  const int64_t row = g.input_columns(task.tile.columns) * g.c, count = g.input_rows(task.tile.rows);
  for (int64_t index = 0; index < count; ++index)
    gather_row(layer, x, task, g.input_row(task.tile.oy, 0) + index, rows + index * row);
  if (plan.dense.copies_windows)
    copy_rows(plan, task.tile, rows, row, rows + count * row, pixels);
  else
    point_at_rows(plan, task.tile, g.c, rows, pixels);
  return pixels;
}

}  // namespace zeroskip
