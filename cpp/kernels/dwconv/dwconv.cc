// Tiles of up to 8 output pixels keep their accumulators in registers: a weight is loaded once per tile and,
// when width and stride are known at compile time, an input column once for all the taps that meet it.
#include "kernels/dwconv/dwconv.h"

#include "kernels/common/simd.h"

namespace zeroskip::ZS_ISA {
namespace {

constexpr int kMaxPixels = 8;

// What the tiles of a row share: the tap rows [first_tap, last_tap) that lie inside the image.
struct Row {
  const DwconvArgs& args;
  int64_t first_tap, last_tap;
};

inline Row clip_row(const DwconvArgs& args) {
  Row row{args, 0, args.kernel_h};
  while (row.first_tap < row.last_tap && args.first_row + row.first_tap * args.dilation_h < 0)
    ++row.first_tap;
  while (row.first_tap < row.last_tap && args.first_row + (row.last_tap - 1) * args.dilation_h >= args.in_h)
    --row.last_tap;
  return row;
}

// Adds one tap row to the accumulators: every input column is loaded once and meets the taps it belongs to.
template <int kWidth, int kStride, int kPixels, bool kEdge>
inline void add_row_fixed(const DwconvArgs& args, const float* x, int64_t column, const float* weights,
                          Vec* acc) {
  Vec w[kWidth];
#pragma GCC unroll 8
  for (int tap = 0; tap < kWidth; ++tap) w[tap] = load(weights + tap * args.weight_stride);
  constexpr int kColumns = (kPixels - 1) * kStride + kWidth;
#pragma GCC unroll 32
  for (int j = 0; j < kColumns; ++j) {
    if (kEdge && (column + j < 0 || column + j >= args.in_w)) continue;
    const Vec value = load(x + (column + j) * args.x_stride);
#pragma GCC unroll 8
    for (int tap = 0; tap < kWidth; ++tap)
      if (j >= tap && (j - tap) % kStride == 0 && (j - tap) / kStride < kPixels)
        acc[(j - tap) / kStride] += value * w[tap];
  }
}

// The same for any width, stride and dilation.
template <int kPixels, bool kEdge>
inline void add_row_any(const DwconvArgs& args, const float* x, int64_t column, const float* weights,
                        Vec* acc) {
  for (int64_t tap = 0; tap < args.kernel_w; ++tap) {
    const Vec w = load(weights + tap * args.weight_stride);
    const int64_t first = column + tap * args.dilation_w;
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; ++p) {
      const int64_t j = first + p * args.stride_w;
      if (kEdge && (j < 0 || j >= args.in_w)) continue;
      acc[p] += load(x + j * args.x_stride) * w;
    }
  }
}

template <int kWidth, int kStride, int kPixels, bool kEdge>
inline void compute_tile(const Row& row, int64_t pixel, int64_t column) {
  const DwconvArgs& args = row.args;
  const Vec max_value = broadcast(args.max_value);
  for (int64_t block = 0; block < args.blocks; ++block) {
    uint32_t bits[kPixels] = {};
    for (int i = 0; i < kVectorsPerBlock; ++i) {
      const int64_t c = block * 16 + i * kLanes;
      Vec acc[kPixels];
#pragma GCC unroll 8
      for (int p = 0; p < kPixels; ++p) acc[p] = load(args.bias + c);
      for (int64_t tap = row.first_tap; tap < row.last_tap; ++tap) {
        const float* x = args.x + (args.first_row + tap * args.dilation_h) * args.in_w * args.x_stride + c;
        const float* weights = args.weights + tap * args.kernel_w * args.weight_stride + c;
        if constexpr (kWidth != 0)
          add_row_fixed<kWidth, kStride, kPixels, kEdge>(args, x, column, weights, acc);
        else
          add_row_any<kPixels, kEdge>(args, x, column, weights, acc);
      }
#pragma GCC unroll 8
      for (int p = 0; p < kPixels; ++p) {
        if (args.thresholds) acc[p] = min(fatrelu(acc[p], load(args.thresholds + c)), max_value);
        store(args.y + (pixel + p) * args.y_stride + c, acc[p]);
        bits[p] |= nonzero_bits(acc[p]) << (i * kLanes);
      }
    }
    if (!args.mask) continue;
    for (int p = 0; p < kPixels; ++p)
      args.mask[(pixel + p) * args.mask_stride + block] = static_cast<uint16_t>(bits[p]);
  }
}

template <int kWidth, int kStride, int kPixels>
inline void run_tile(const Row& row, int64_t pixel) {
  const DwconvArgs& args = row.args;
  const int64_t column = pixel * args.stride_w - args.pad_left;
  const int64_t last = column + (kPixels - 1) * args.stride_w + (args.kernel_w - 1) * args.dilation_w;
  if (column >= 0 && last < args.in_w)
    compute_tile<kWidth, kStride, kPixels, false>(row, pixel, column);
  else
    compute_tile<kWidth, kStride, kPixels, true>(row, pixel, column);
}

template <int kWidth, int kStride>
inline void dwconv(const DwconvArgs& args) {
  const Row row = clip_row(args);
  int64_t pixel = 0;
  while (pixel < args.pixels) {
    const int64_t left = args.pixels - pixel;
    // Feature maps are mostly 7 * 2^n wide: sevens then leave no remainder.
    if (left % 7 == 0 && left % kMaxPixels != 0) {
      run_tile<kWidth, kStride, 7>(row, pixel);
      pixel += 7;
    } else if (left >= kMaxPixels) {
      run_tile<kWidth, kStride, kMaxPixels>(row, pixel);
      pixel += kMaxPixels;
    } else if (left >= 4) {
      run_tile<kWidth, kStride, 4>(row, pixel);
      pixel += 4;
    } else if (left >= 2) {
      run_tile<kWidth, kStride, 2>(row, pixel);
      pixel += 2;
    } else {
      run_tile<kWidth, kStride, 1>(row, pixel);
      pixel += 1;
    }
  }
}

}  // namespace

void f32_dwconv_ukernel_8x16(const DwconvArgs& args) { dwconv<0, 0>(args); }
void f32_dwconv_ukernel_8x16_3s1(const DwconvArgs& args) { dwconv<3, 1>(args); }
void f32_dwconv_ukernel_8x16_3s2(const DwconvArgs& args) { dwconv<3, 2>(args); }
void f32_dwconv_ukernel_8x16_5s1(const DwconvArgs& args) { dwconv<5, 1>(args); }
void f32_dwconv_ukernel_8x16_5s2(const DwconvArgs& args) { dwconv<5, 2>(args); }

}  // namespace zeroskip::ZS_ISA
