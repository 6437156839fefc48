#include "ops/conv/phase_image.h"

#include <algorithm>

#include "base/memory.h"
#include "base/thread_pool.h"

namespace zeroskip {
namespace {

constexpr int64_t kStride = 2, kPhases = kStride * kStride;

// Zeros before the image: the padding, made even, so that a window begins on the first phase.
int64_t leading_zeros(int64_t pad) { return round_up(pad, kStride); }

// Taps per phase of a kernel of `extent`, which begins `leading - pad` pixels into its first 2x2.
int64_t phase_taps(int64_t extent, int64_t pad) {
  return ceil_div(extent + leading_zeros(pad) - pad, kStride);
}

}  // namespace

bool PhaseImage::supports(const ConvGeometry& g) {
  const bool is_plain = g.groups == 1 && g.sh == kStride && g.sw == kStride && g.dh == 1 && g.dw == 1;
  const int64_t taps = phase_taps(g.kh, g.pad_top);
  const bool is_square = taps == phase_taps(g.kw, g.pad_left) && (taps == 3 || taps == 4);
  return is_plain && is_square && g.c * kPhases <= kChannelBlock && g.o >= kChannelBlock;
}

PhaseImage::PhaseImage(const ConvGeometry& geometry)
    : g_(geometry),
      taps_(phase_taps(geometry.kh, geometry.pad_top)),
      top_(leading_zeros(geometry.pad_top)),
      left_(leading_zeros(geometry.pad_left)),
      skipped_rows_(top_ - geometry.pad_top),
      skipped_columns_(left_ - geometry.pad_left) {}

ConvGeometry PhaseImage::geometry() const {
  ConvGeometry phases = g_;
  phases.c = g_.c * kPhases;
  phases.h = g_.oh + taps_ - 1, phases.w = g_.ow + taps_ - 1;
  phases.kh = phases.kw = taps_;
  phases.sh = phases.sw = 1;
  phases.pad_top = phases.pad_left = phases.pad_bottom = phases.pad_right = 0;
  return phases;
}

std::vector<float> PhaseImage::kernel(const float* weight) const {
  const int64_t c = g_.c * kPhases;
  std::vector<float> arranged(static_cast<size_t>(g_.o * c * taps_ * taps_));
  for (int64_t index = 0; index < g_.o * g_.c; ++index)
    for (int64_t ky = 0; ky < g_.kh; ++ky)
      for (int64_t kx = 0; kx < g_.kw; ++kx) {
        const int64_t y = ky + skipped_rows_, x = kx + skipped_columns_;
        const int64_t channel = index * kPhases + y % kStride * kStride + x % kStride;
        const int64_t to = (channel * taps_ + y / kStride) * taps_ + x / kStride;
        arranged[static_cast<size_t>(to)] = weight[(index * g_.kh + ky) * g_.kw + kx];
      }
  return arranged;
}

std::string PhaseImage::form() const {
  return "/phases" + std::to_string(skipped_rows_) + "x" + std::to_string(skipped_columns_);
}

int64_t PhaseImage::bytes() const {
  const ConvGeometry phases = geometry();
  return checked_product({phases.n, phases.h, phases.w, kChannelBlock, sizeof(float)});
}

void PhaseImage::fill(const PlainImage& source, float* image, int num_threads) const {
  const ConvGeometry phases = geometry();
  parallel_for(num_threads, phases.n * phases.h,
               [&](int64_t row, int) { fill_row(source, row, image + row * phases.w * kChannelBlock); });
}

void PhaseImage::fill_row(const PlainImage& source, int64_t row, float* out) const {
  const ConvGeometry phases = geometry();
  std::fill_n(out, phases.w * kChannelBlock, 0.0f);
  const int64_t n = row / phases.h, top = row % phases.h * kStride - top_;
  for (int64_t phase = 0; phase < kPhases; ++phase) {
    const int64_t y = top + phase / kStride, shift = phase % kStride - left_;
    if (y < 0 || y >= g_.h) continue;
    const int64_t first = ceil_div(std::max<int64_t>(0, -shift), kStride);
    const int64_t last = std::min(phases.w, ceil_div(g_.w - shift, kStride));
    for (int64_t c = 0; c < g_.c; ++c) {
      const float* in =
          source.data + n * source.image_stride + c * source.channel_stride + y * source.row_stride;
      float* to = out + c * kPhases + phase;
      for (int64_t x = first; x < last; ++x)
        to[x * kChannelBlock] = in[(x * kStride + shift) * source.column_stride];
    }
  }
}

}  // namespace zeroskip
