#include "ops/conv/quantized_input.h"

#include <algorithm>

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
  for (int64_t c = 0; c < g.c; ++c) {
    const uint8_t* from = image + (c * g.h + iy) * g.w + columns.left;
    for (int64_t column = columns.first; column < columns.last; ++column)
      row[column * g.c + c] = from[column];
  }
}

}  // namespace

const uint8_t* const* point_at_bytes(const QuantizedLayer& layer, const Tensor& x, const ConvTask& task,
                                     const QuantizedThreadScratch& scratch) {
  const ConvGeometry& g = layer.plan().geometry;
  auto** pixels = reinterpret_cast<const uint8_t**>(scratch.pointers);
  if (!layer.plan().gathers_input) {
    point_at_input(layer, x, task, pixels);
    return pixels;
  }
  auto* rows = reinterpret_cast<uint8_t*>(scratch.input);
  const int64_t row = g.input_columns(task.tile.columns) * g.c;
  for (int64_t index = 0; index < g.input_rows(task.tile.rows); ++index)
    gather_row(layer, x, task, g.input_row(task.tile.oy, 0) + index, rows + index * row);
  point_at_rows(layer.plan(), task.tile, g.c, rows, pixels);
  return pixels;
}

}  // namespace zeroskip
