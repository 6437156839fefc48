#include "ops/conv/gather_rows.h"

#include <algorithm>

namespace zeroskip {

PlainImage plain_input(const ConvPlan& plan, const Tensor& x) {
  const ConvGeometry& g = plan.geometry;
  const bool is_nhwc_rows = plan.input == ConvInput::kNhwcRows;
  const int64_t plane = g.h * g.w, pixel = is_nhwc_rows ? g.c : x.spec->pixel_stride;
  return plan.input == ConvInput::kNchwRows ? PlainImage{x.as<float>(), g.c * plane, plane, g.w, 1}
                                            : PlainImage{x.as<float>(), plane * pixel, 1, g.w * pixel, pixel};
}

void gather_rows(const ConvGeometry& g, const PlainImage& x, float* rows, int num_threads) {
  const int64_t padded_h = g.h + g.pad_top + g.pad_bottom, row = (g.w + g.pad_left + g.pad_right) * g.c;
  parallel_for(num_threads, g.n * padded_h, [&](int64_t index, int) {
    const int64_t n = index / padded_h, iy = index % padded_h - g.pad_top;
    float* out = rows + index * row;
    std::fill_n(out, row, 0.0f);
    if (iy < 0 || iy >= g.h) return;
    const float* in = x.data + n * x.image_stride + iy * x.row_stride;
    out += g.pad_left * g.c;
    if (x.column_stride == g.c && x.channel_stride == 1) {
      std::copy_n(in, g.w * g.c, out);
      return;
    }
    for (int64_t ix = 0; ix < g.w; ++ix)
      for (int64_t c = 0; c < g.c; ++c) out[ix * g.c + c] = in[ix * x.column_stride + c * x.channel_stride];
  });
}

}  // namespace zeroskip
