// Winograd convolution (Lavin & Gray 2015) of 6x6 windows in two forms: F(4x4, 3x3), 36 products where direct
// convolution takes 144, and F(3x3, 4x4), 36 where it takes 144 as well.
//
// A tile of outputs is A' [(G g G') .* (B' d B)] A for a 6x6 window d of the input and a kernel g. The
// window's transform is that of both forms; the kernels named winograd4 make 4x4 outputs, those named
// winograd3 3x3. Summed over input channels, the products at one of the 36 positions are a matrix product of
// its own: V [tiles][in] from the inputs times U [in][out] from the weights gives M [tiles][out]. V, U and M
// are 36 such matrices each, `matrix_stride` elements apart, position 6 * row + column.
//
// The interpolation points are 0, +-3/4, +-3/2 and infinity: every coefficient of the input and output
// transforms is then exact in float32, and the largest error is a quarter of that of the customary 0, +-1,
// +-2.
#pragma once

#include <cstdint>

#include "kernels/dconv/dconv.h"

namespace zeroskip {

inline constexpr int kWinogradInput = 6;  // inputs per tile and side
inline constexpr int kWinogradMatrices = kWinogradInput * kWinogradInput;

// Outputs per tile and side of the form for `taps` taps per side, and the other way round.
constexpr int winograd_outputs(int taps) { return kWinogradInput + 1 - taps; }
constexpr int winograd_taps(int outputs) { return kWinogradInput + 1 - outputs; }

// One tile's row of every V. The window's first pixel is (top, left) of an image of height x width pixels,
// which may lie outside; pixels outside the image count as zero and are not read.
struct WinogradInputArgs {
  const float* image;  // pixel (0, 0)
  int64_t height, width;
  int64_t row_stride, pixel_stride;
  int64_t top, left;
  int64_t blocks;  // of 16 channels
  float* v;        // [blocks * 16] in every matrix
  int64_t matrix_stride;
};
using WinogradInputFn = void (*)(const WinogradInputArgs&);

// m[t][o] = sum over k of v[t][k] * u[k][o] for one matrix and 64 outputs o, accumulators in registers
// throughout.
struct WinogradGemmArgs {
  int64_t tiles;
  int64_t channels;
  const float* v;
  int64_t v_stride;
  const float* u;  // [channels][64]
  float* m;
  int64_t m_stride;
  const float* next_u;  // if set, the [channels][64] that follow: prefetched into L2 meanwhile
};
using WinogradGemmFn = void (*)(const WinogradGemmArgs&);

// Finishes one tile: the first `rows` x `columns` of its outputs, plus the bias, go through the epilogue,
// output (r, c) as pixel r * row_pixels + c. Of the epilogue `pixels`, `blocks`, `acc` and `acc_stride` are
// not used.
struct WinogradOutputArgs {
  const float* m;  // [blocks * 16] in every matrix
  int64_t matrix_stride;
  int64_t blocks;
  const float* bias;
  int64_t rows, columns;
  int64_t row_pixels;
  const ConvEpilogueArgs* epilogue;
};
using WinogradOutputFn = void (*)(const WinogradOutputArgs&);

// The weights of one input channel for 64 outputs: weights is [taps * taps][64], u a row of 64 in every U.
struct WinogradWeightArgs {
  const float* weights;
  float* u;
  int64_t matrix_stride;
};
using WinogradWeightFn = void (*)(const WinogradWeightArgs&);

}  // namespace zeroskip
