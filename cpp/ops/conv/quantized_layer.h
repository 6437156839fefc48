// What both algorithms of a u8 convolution share: where a task finds its input, its constants and its output.
#pragma once

#include "kernels/lookup.h"
#include "ops/conv/quantized_constants.h"

namespace zeroskip {

// A thread's working memory.
struct QuantizedThreadScratch {
  std::byte* input;
  std::byte* pointers;
  int32_t* acc;
  std::byte* weights;
  uint8_t* y;
};
QuantizedThreadScratch thread_scratch(const QuantizedConvPlan& plan, const RunContext& context, int thread);

// The columns of an input row that a tile's windows reach, from `left` on, and which of them lie in the image.
struct InputColumns {
  int64_t left, count, first, last;
  int64_t inside() const { return last - first; }
};
InputColumns input_columns(const ConvGeometry& geometry, const ConvTile& tile, int64_t iy);

// A run of pixels whose channels lie in planes.
struct PlanarRow {
  const uint8_t* x;  // of the first plane
  int64_t plane, count, channels;
};

// What `convert` makes of them, side by side: of kChannels planes, any number if 0.
template <int64_t kChannels, typename Convert, typename Element>
void join_planes_of(const PlanarRow row, const Convert& convert, Element* to) {
  const int64_t channels = kChannels ? kChannels : row.channels;
  for (int64_t i = 0; i < row.count; ++i)
    for (int64_t c = 0; c < channels; ++c, ++to) *to = convert(row.x[c * row.plane + i]);
}
template <typename Convert, typename Element>
void join_planes(const PlanarRow& row, const Convert& convert, Element* to) {
  if (row.channels == 3) return join_planes_of<3>(row, convert, to);
  join_planes_of<0>(row, convert, to);
}

// Dense kernels read pointers to pixels: [tile pixel / kQconvPixels][tap][kQconvPixels].
inline int64_t first_pointer(int64_t pixel, int64_t taps) {
  return pixel / kQconvPixels * taps * kQconvPixels + pixel % kQconvPixels;
}

// Points at a tile's pixels in copies of its input rows, whose pixels are `pixel_size` elements apart.
template <typename Element>
void point_at_rows(const QuantizedConvPlan& plan, const ConvTile& tile, int64_t pixel_size,
                   const Element* rows, const Element** pixels) {
  const ConvGeometry& g = plan.geometry;
  const int64_t columns = g.input_columns(tile.columns);
  const int64_t row_taps = plan.dense.taps / g.kh;  // 1 of a gathered input
  for_each_pixel(tile, [&](int64_t pixel, int64_t oy, int64_t ox) {
    const Element** entry = pixels + first_pointer(pixel, plan.dense.taps);
    const int64_t top = (oy - tile.oy) * g.sh, left = (ox - tile.ox) * g.sw;
    for (int64_t tap = 0; tap < plan.dense.taps; ++tap) {
      const int64_t ky = tap / row_taps, kx = tap % row_taps;
      entry[tap * kQconvPixels] = rows + ((top + ky * g.dh) * columns + left + kx * g.dw) * pixel_size;
    }
  });
}

RequantizeArgs advance_pixels(RequantizeArgs args, int64_t pixels);
RequantizeArgs advance_outputs(RequantizeArgs args, int64_t outputs);

class QuantizedLayer {
 public:
  QuantizedLayer(const QuantizedConvPlan& plan, const QuantizedConvConstants& constants,
                 const KernelTable& kernels)
      : plan_(plan), constants_(constants), kernels_(kernels) {}

  const QuantizedConvPlan& plan() const { return plan_; }
  const QuantizedConvConstants& constants() const { return constants_; }
  const KernelTable& kernels() const { return kernels_; }

  // A pixel's first channel of the task's group. Null outside the image.
  const uint8_t* input_pixel(const Tensor& x, const ConvTask& task, int64_t iy, int64_t ix) const;
  const int8_t* slab_at(const ConvTask& task, int64_t slab) const;
  const std::byte* order_at(const ConvTask& task, int64_t slab, int64_t block) const;  // of the first tap
  int64_t output_at(const ConvTask& task, int64_t slab) const;  // index into the constants of outputs
  // The epilogue from a task's first pixel on, for the outputs of a slab; `row_y` is where a row tensor's wait.
  RequantizeArgs epilogue_at(const RunContext& context, const ConvTask& task, int64_t slab,
                             uint8_t* row_y) const;
  // Zeros behind the outputs that kernels wrote, up to the slab's end; of a row tensor the outputs that exist go there.
  void finish_slab(const RunContext& context, const ConvTask& task, int64_t slab, int64_t columns,
                   const uint8_t* row_y) const;

 private:
  const QuantizedConvPlan& plan_;
  const QuantizedConvConstants& constants_;
  const KernelTable& kernels_;
};

}  // namespace zeroskip
