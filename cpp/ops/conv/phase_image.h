// A few-channel image behind a convolution of stride 2, as in the first layer of most networks, rearranged so
// that the stride is gone: every 2x2 pixels become one pixel of four times the channels, and the kernel one
// of half the extent. What comes out is a convolution that Winograd's algorithm can take.
#pragma once

#include <string>
#include <vector>

#include "ops/conv/geometry.h"

namespace zeroskip {

class PhaseImage {
 public:
  // Ungrouped, stride 2, four channels at most, and a kernel that becomes 3x3 or 4x4.
  static bool supports(const ConvGeometry& geometry);

  explicit PhaseImage(const ConvGeometry& geometry);

  // The convolution of the rearranged image: 4 * c channels, stride 1, no padding.
  ConvGeometry geometry() const;
  // The kernel [o][c][kh][kw] for it: [o][4 * c][taps][taps].
  std::vector<float> kernel(const float* weight) const;
  // What that arrangement depends on besides the kernel, which may be padded by the size of the image.
  std::string form() const;

  // Fills nhwc pixels of `kChannelBlock` floats, zeros where the image is padded.
  void fill(const PlainImage& source, float* image, int num_threads) const;
  int64_t bytes() const;

 private:
  void fill_row(const PlainImage& source, int64_t row, float* out) const;

  ConvGeometry g_;
  int64_t taps_, top_, left_;               // rows and columns of zeros before the image
  int64_t skipped_rows_, skipped_columns_;  // of the first window, before its kernel begins
};

}  // namespace zeroskip
