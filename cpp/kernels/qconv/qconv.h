// Convolution of u8 activations by s8 weights: s32 sums, requantised to u8 while they are in registers.
//
// An activation stands for scale * (x - zero_point), a weight for scale[o] * w. Both factors of a product are
// brought to 16 bits, x - zero_point in [-255, 255] and w in [-128, 127], so that sums of two products are exact on
// every instruction set (those of 8-bit instructions saturate) and zeros are zeros whatever the zero point.
//
// Weights lie in slabs [output channels / 64][tap][input channel][64] of s8, as those of kernels/spconv do. A panel of
// them is expanded to 16 bits once per tile, in one of two forms, for ranges of `blocks` * 16 outputs:
//   rows   [channel][outputs], outputs of a vector in the order that interleaving needs (common/int_simd.h);
//   pairs  [block][pair of channels][16 outputs][2].
//
// Lists of non-zeros: a record (of `stride` bytes) holds, for one pixel and up to `capacity` - 8 of its channels, a
// SpanHeader, then int16 x - zero_point [capacity], then uint16 offsets [capacity]: where the channel's weights begin
// within the rows of a panel, in units of kOffsetBytes. An odd list ends with a value of zero at offset 0.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zeroskip {

inline constexpr int64_t kQconvPixels = 12;  // pixels in a group of the dense kernels' pointer lists
inline constexpr int64_t kOffsetBytes = 8;
inline constexpr int64_t kSlabRowBytes = 64;  // of a channel's weights in a slab
inline constexpr int64_t kListSlack = 8;      // entries that a list may write after its last

struct SpanHeader {
  int32_t steps;  // pairs of entries
  int32_t unused;
};
constexpr int64_t span_record_bytes(int64_t channels) {
  return static_cast<int64_t>(sizeof(SpanHeader)) + 4 * ((channels + 7) / 8 * 8 + kListSlack);
}

// y = saturate(round_half_even(v) + zero_point), where v, in units of y's scale, is clip(FATReLU(u)) and
//   u = multiplier * sum                                               without a residual
//   u = multiplier * sum + residual_scale * (r - residual_zero)        with one
//   u = sum_scale * rounded + residual_scale * (r - residual_zero)     where the sum is rounded before the addition:
//       rounded = round_half_even(clamp(multiplier * sum, sum_min, sum_max))
// in float32, every operation rounded by itself, so that all instruction sets agree.
struct RequantizeArgs {
  const float* multipliers = nullptr;    // per output
  const int16_t* zero_points = nullptr;  // per output; -32768 for outputs that pad a tensor, which become 0
  const uint8_t* residual = nullptr;     // null: none; else of the first pixel
  int64_t residual_stride = 0;
  float residual_scale = 0, residual_zero = 0;
  bool rounds_sum = false;
  float sum_scale = 1, sum_min = 0, sum_max = 0;
  const float* thresholds = nullptr;  // null: no activation; else u > threshold ? u : 0
  float max_value = 0;                // upper clip of v, at most 32767
  uint8_t* y = nullptr;
  int64_t y_stride = 0;
};

// acc[p] = start + sum over taps and channels of x[p] * w, or y[p] of it, for up to kQconvPixels pixels.
struct QdconvArgs {
  int64_t count;  // pixels
  int64_t taps;
  int64_t channels;              // per tap, even
  const int16_t* const* pixels;  // [tap][kQconvPixels]: x - zero_point of every pixel and tap
  const int16_t* weights;        // pairs, of all taps one after the other
  const int32_t* bias;           // where sums start; null: acc
  int32_t* acc;                  // [pixel][acc_stride]
  int64_t acc_stride;
  const RequantizeArgs* epilogue;  // null: store sums to acc
};
using QdconvFn = void (*)(const QdconvArgs&);

// Likewise by lists of non-zeros, for any number of pixels.
struct QspconvArgs {
  int64_t pixels;
  int64_t spans;                  // lists of a pixel
  const std::byte* const* lists;  // [pixel][spans]: records
  int64_t capacity;               // of a record
  const std::byte* weights;       // rows of all spans: qspconv reads expanded ones, qrows those of a slab
  int64_t span_stride;            // from one span's weights to the next's, in bytes
  const int32_t* bias;
  int32_t* acc;
  int64_t acc_stride;
  const RequantizeArgs* epilogue;
};
using QspconvFn = void (*)(const QspconvArgs&);

// Fills one record.
struct ListSpanArgs {
  const uint8_t* x;  // channels of a pixel
  int64_t channels;
  int64_t capacity;  // channels rounded up to 8, plus kListSlack, at least
  uint8_t zero_point;
  int64_t row_bytes;  // of a row of weights, a multiple of kOffsetBytes
  std::byte* record;
};
using ListSpanFn = void (*)(const ListSpanArgs&);

// Channels of `pixels` pixels, `stride` apart, that differ from zero_point.
using CountNonzeroFn = int64_t (*)(const uint8_t* x, int64_t pixels, int64_t channels, int64_t stride,
                                   uint8_t zero_point);

// to[i] = from[i] - zero_point. Reads and writes exactly `count` elements.
using WidenFn = void (*)(const uint8_t* from, int64_t count, uint8_t zero_point, int16_t* to);

// Expands the weights of `channels` channels for 16 * blocks outputs. `from` is the first one's row of a slab.
struct ExpandArgs {
  int64_t channels;
  int64_t blocks;
  const int8_t* from;  // rows of 64 bytes
  int16_t* to;
  int64_t block_stride;  // pairs: from one block's weights to the next one's
};
using ExpandFn = void (*)(const ExpandArgs&);  // pairs: an odd last channel is paired with zeros

}  // namespace zeroskip
