// Convolution of u8 activations by s8 weights: s32 sums, requantised to u8 while they are in registers.
//
// An activation stands for scale * (x - zero_point), a weight for scale[o] * w. Sums are exact on every instruction set.
// Weights lie in slabs [output channels / 64][tap][input channel][64] of s8, as those of kernels/spconv do, and both
// algorithms read them there:
//
// Dense (qdconv): both factors are brought to 16 bits, x - zero_point in [-255, 255] and w in [-128, 127], so that sums of
// two products are exact. Weights are expanded to pairs once per tile: [block][pair of channels][16 outputs][2].
//
// Dense by bytes (qdconv_bytes): products of 8 bits, four channels a step, by an instruction that saturates sums of two
// products at 16 bits. Which quads reach that is known from their weights (QuadOrderHeader): most do not, and most of
// these can even be added up two at a time before they are brought to 32 bits.
//
// Dense by quads (qdconv_quads): products of 8 bits, four channels a step, whose rows of weights are interleaved on the way,
// for instruction sets that multiply quads exactly. Elsewhere a value is added in parts and pairs take less time.
//
// Sparse (qspconv): four non-zeros of an input pixel a step, whose rows of weights are interleaved on the way to
// 8-bit products of quads (common/quad_simd.h). Two output pixels share the rows that both need.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zeroskip {

inline constexpr int64_t kQconvPixels = 12;  // pixels in a group of the dense kernels' pointer lists
inline constexpr int64_t kSlabOutputs = 64;
inline constexpr int64_t kSlabRowBytes = kSlabOutputs;  // of a channel's weights in a slab
inline constexpr int64_t kOffsetBytes = 8;  // unit of offsets to rows, so that 8192 rows are within 16 bits
inline constexpr int64_t kMostListedRows = 65536 / (kSlabRowBytes / kOffsetBytes);
inline constexpr int64_t kMostListedSpans = 16;

// The non-zeros that two output pixels have among a range of weight rows, as steps of four: of rows that both need, then
// of those for the first pixel, then for the second. Behind the header follow, of each part, uint16 offsets of the rows
// from the range's first, in units of kOffsetBytes, and u8 values, of `both` the first pixel's, then the second's. All
// begin kQuadListSlack bytes behind the last one's end, over which writing may run. A part is filled up with values of zero.
// Where products of quads would saturate (kMostQuadValue), what is left of a large value is another entry of `both`; and
// where it takes less time, `both` holds all rows that either pixel needs.
struct QuadListHeader {
  uint16_t both, first, second, unused;  // steps
};
inline constexpr int64_t kQuadListSlack = 64;
constexpr int64_t quad_list_bytes(int64_t rows) { return 16 * rows + 8 * kQuadListSlack; }  // at most

// In which order, and how, a block of 16 outputs is multiplied by the quads of a tap. Behind the header follow the first
// channels of the quads: of `twos`, whose sums lie within 16 bits added up two by two; of `ones`, whose sums do by
// themselves; of `wide`, the others, which take 16-bit products.
struct QuadOrderHeader {
  uint16_t twos, ones, wide, unused;  // twos: couples of quads
};
inline constexpr int64_t kMostOrderedChannels = 65536;  // so that their numbers are within 16 bits
constexpr int64_t quad_order_bytes(int64_t quads) {
  return static_cast<int64_t>(sizeof(QuadOrderHeader)) + (2 * quads + 7) / 8 * 8;
}
// Of weights expanded in such an order, at most.
constexpr int64_t ordered_weight_bytes(int64_t channels) { return channels * 16 * 2; }

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

// acc[p] = start + sum over taps and channels of x[p] * w, or y[p] of it.
struct QdconvArgs {
  int64_t count;  // pixels, in groups of kQconvPixels
  int64_t taps;
  int64_t channels;              // per tap, even
  const int16_t* const* pixels;  // [group][tap][kQconvPixels]: x - zero_point of every pixel and tap
  int64_t group_stride;          // from one group's pointers to the next one's
  const std::byte* weights;      // expanded, of all taps one after the other
  const int32_t* bias;           // where sums start; null: acc
  int32_t* acc;                  // [pixel][acc_stride]
  int64_t acc_stride;
  const RequantizeArgs* epilogue;  // null: store sums to acc
};
using QdconvFn = void (*)(const QdconvArgs&);

// Likewise by bytes, for one block of 16 outputs.
struct QdbytesArgs {
  int64_t count;  // pixels, in groups of kQconvPixels
  int64_t taps;
  const uint8_t* const* pixels;  // [group][tap][kQconvPixels]: x of every pixel and tap
  int64_t group_stride;
  const std::byte* orders;  // of the taps' quads, order_stride bytes apart
  int64_t order_stride;
  const std::byte* weights;  // expanded in these orders, of all taps one after the other
  const int32_t* bias;       // where sums start, less what the zero point adds; null: acc
  int32_t* acc;
  int64_t acc_stride;
  const RequantizeArgs* epilogue;
};
using QdbytesFn = void (*)(const QdbytesArgs&);

// y[p] for up to kQconvPixels pixels and a slab's outputs.
struct QdquadsArgs {
  int64_t count;  // pixels
  int64_t taps;
  int64_t channels;              // per tap, a multiple of 4
  const uint8_t* const* pixels;  // [tap][kQconvPixels]: x of every pixel and tap
  const std::byte* weights;      // rows of 64 bytes, of all taps one after the other
  int64_t blocks;                // of 16 outputs
  const int32_t* bias;           // less what the zero point adds
  const RequantizeArgs* epilogue;
};
using QdquadsFn = void (*)(const QdquadsArgs&);

// Likewise by lists of non-zeros, for any number of pixels and outputs. Pixels lie in rows of row_pixels each; pairs do
// not reach across a row's end, so that the last pixel of an odd row is a pair's first without a second.
struct QspconvArgs {
  int64_t pixels, row_pixels;
  int64_t spans;                   // lists of a pair
  const std::byte* const* lists;   // [pair][spans]
  const std::byte* weights;        // of the first span and slab, rows of 64 bytes
  int64_t span_stride;             // from one span's weights to the next's, in bytes
  int64_t slab_stride;             // likewise, from one slab's
  int64_t blocks;                  // of 16 outputs, from a slab's first on
  bool starts;                     // sums start from zero, else from acc
  int32_t* acc;                    // [pair][2][acc_stride], in an order of the kernel's own
  int64_t acc_stride;              // at least 16 * blocks, a multiple of 64
  const int32_t* bias;             // that an epilogue adds
  const RequantizeArgs* epilogue;  // null: leave sums in acc
  const std::byte* next_weights;   // what the next call reads: fetched into L2, some lines for each pair
  int64_t next_rows;
};
using QspconvFn = void (*)(const QspconvArgs&);

// Writes the list of a pair, whose rows are those of `channels` channels of each of `spans` pairs of pixels.
struct QuadListArgs {
  const uint8_t* const* pixels;  // [span][2]; null: a pixel of zeros
  int64_t spans, channels;       // at most kMostListedSpans spans, kMostListedRows rows
  int64_t visits;                // of 64 outputs that the list is going to serve
  std::byte* record;             // 8-byte aligned, quad_list_bytes(spans * channels)
};
using QuadListFn = std::byte* (*)(const QuadListArgs&);  // returns where the next record may begin

// Entries that lists of `pixels` pixels, `stride` apart, hold: one of each channel that differs from zero_point, and one
// more for each rest of a large value.
using CountEntriesFn = int64_t (*)(const uint8_t* x, int64_t pixels, int64_t channels, int64_t stride,
                                   uint8_t zero_point);

// to[i] = from[i] - zero_point. Reads and writes exactly `count` elements.
using WidenFn = void (*)(const uint8_t* from, int64_t count, uint8_t zero_point, int16_t* to);

// Expands the weights of `channels` channels to pairs of 16 bits, for 16 * blocks outputs; the last ones are filled up with
// zeros.
struct ExpandArgs {
  int64_t channels;
  int64_t blocks;
  const int8_t* from;  // the first channel's row of a slab
  std::byte* to;
  int64_t block_stride;  // from one block's weights to the next one's, in bytes
};
using ExpandFn = void (*)(const ExpandArgs&);

// Likewise for a block, in the order of its quads: of narrow ones [quad][16 outputs][4], of a wide one 16-bit products of
// its even channels, [16 outputs][2], and of its odd ones. Returns where the next tap's weights may begin.
struct ExpandOrderedArgs {
  int64_t channels;
  const std::byte* order;
  const int8_t* from;  // the block's outputs in the first channel's row of a slab
  std::byte* to;
};
using ExpandOrderedFn = std::byte* (*)(const ExpandOrderedArgs&);

}  // namespace zeroskip
