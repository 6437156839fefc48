// Convolution of bf16 activations by bf16 weights, sums in float32.
//
// Products are taken two at a time (common/bf16_simd.h). Weights lie in slabs [output channels / 64][tap][input
// channel][64] of bf16, channels of a tap rounded up to an even number by rows of zeros. Outputs of a row lie in the order
// that interleaving two rows leaves in order: output o at bf16_position(o, floats in a vector).
//
// Lists of non-zeros: a record holds, for two pixels and a span of up to kMostBf16Span channels, a PairHeader and behind
// it the channels where both pixels differ from zero, those where only the first one does, and only the second. Each part
// is uint16 offsets of the channels' rows in bytes, then the first's and/or the second's values; an odd one ends with values
// of zero at offset 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/types.h"

namespace zeroskip {

inline constexpr int64_t kBconvPixels = 12;    // pixels in a group of the dense kernels' pointer lists
inline constexpr int64_t kBf16RowBytes = 128;  // of a channel's weights in a slab
inline constexpr int64_t kMostBf16Span = 256;  // channels of a list; their offsets fit 16 bits
inline constexpr int64_t kPairListSlack = 32;  // entries that a list may write after its last

constexpr int64_t bf16_position(int64_t output, int64_t lanes) {
  const int64_t within = output % (2 * lanes), upper = within / lanes, lane = within % lanes;
  return output - within + lane / 4 * 8 + upper * 4 + lane % 4;
}

// Steps of two entries each.
struct PairHeader {
  int32_t both, first, second, unused;
};
constexpr int64_t pair_record_bytes(int64_t channels) {
  const int64_t entries = 3 * channels + 8 + kPairListSlack;
  return static_cast<int64_t>(sizeof(PairHeader)) + (2 * entries + 15) / 16 * 16;
}

// y = clip(FATReLU(sum + residual)), of type bf16 or float32. Null residual or thresholds leave that part out; without
// thresholds no clip is applied either.
struct BconvEpilogueArgs {
  int64_t outputs = 0;  // to store, at most the kernel's
  const Bf16* residual = nullptr;
  int64_t residual_stride = 0;
  const float* thresholds = nullptr;
  float max_value = 0;       // +inf: no clip
  Bf16* y = nullptr;         // or
  float* float_y = nullptr;  // this one
  int64_t y_stride = 0;
};

// acc[p] = start + sum over taps and channels of x[p] * w, or y[p] of it, for up to kBconvPixels pixels.
struct BdconvArgs {
  int64_t count;  // pixels
  int64_t taps;
  int64_t channels;           // per tap, even
  const Bf16* const* pixels;  // [tap][kBconvPixels]: the channels of every pixel and tap
  const Bf16* weights;        // rows of a slab, of all taps one after the other
  const float* bias;          // where sums start
  const BconvEpilogueArgs* epilogue;
};
using BdconvFn = void (*)(const BdconvArgs&);

// Likewise by lists of non-zeros, for a run of pixels taken in pairs.
struct BspconvArgs {
  int64_t pixels;
  int64_t spans;                  // lists of a pair
  const std::byte* const* lists;  // [pair][spans]: records
  const Bf16* weights;            // rows of the first span
  int64_t span_stride;            // from one span's weights to the next's, in weights
  const float* bias;              // null: from acc
  float* acc;                     // [pixels rounded up to even][acc_stride]
  int64_t acc_stride;
  const BconvEpilogueArgs* epilogue;  // null: store sums to acc
};
using BspconvFn = void (*)(const BspconvArgs&);

// Fills one record from the channels of two pixels. A null pixel counts as zeros.
struct ListPairArgs {
  const Bf16* first;
  const Bf16* second;
  int64_t channels;  // at most kMostBf16Span; exactly these are read
  std::byte* record;
};
using ListPairFn = void (*)(const ListPairArgs&);

// Channels of `pixels` pixels, `stride` apart, that differ from zero; -0 does not, NaN does.
using CountBf16Fn = int64_t (*)(const Bf16* x, int64_t pixels, int64_t channels, int64_t stride);

// Element c < channels of every pixel is converted, elements from there up to `padded` are written as zero. Exactly these
// are read and written, at any alignment, so that a row is one pixel with padded = channels. Strides are in elements.
struct ConvertArgs {
  int64_t pixels = 0;
  int64_t channels = 0;
  int64_t padded = 0;
  int64_t x_stride = 0;
  int64_t y_stride = 0;
};
using RoundFn = void (*)(const ConvertArgs&, const float* x, Bf16* y);
using ExtendFn = void (*)(const ConvertArgs&, const Bf16* x, float* y);

}  // namespace zeroskip
