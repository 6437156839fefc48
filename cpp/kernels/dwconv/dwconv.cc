// Tiles of up to 8 output pixels keep their accumulators in registers: a weight is loaded once per tile and,
// when width and stride are known at compile time, an input column once for all the taps that meet it.
#include "kernels/dwconv/dwconv.h"

#include "kernels/common/simd.h"

namespace zeroskip::ZS_ISA {
namespace {

constexpr int kMaxPixels = 8;

// A tile of output pixels, and the tap rows [first_tap, last_tap) that lie inside the image.
struct Tile {
  int64_t pixel;
  int64_t column;  // input column under the first tap of the first pixel; may be negative
  int64_t first_tap, last_tap;
};

// Adds one tap row to the accumulators: every input column is loaded once and meets the taps it belongs to.
// Columns count from the tile's first; with kEdge only those in [first, last) lie inside the image.
template <int kWidth, int kStride, int kPixels, bool kEdge>
inline void add_row_fixed(const float* x, int64_t x_stride, int64_t first, int64_t last, const float* weights,
                          int64_t weight_stride, Vec* acc) {
  Vec w[kWidth];
#pragma GCC unroll 8
  for (int tap = 0; tap < kWidth; ++tap) w[tap] = load(weights + tap * weight_stride);
  constexpr int kColumns = (kPixels - 1) * kStride + kWidth;
#pragma GCC unroll 32
  for (int j = 0; j < kColumns; ++j) {
    if (kEdge && (j < first || j >= last)) continue;
    Vec value = load(x + j * x_stride);
    ZS_PIN(value);
#pragma GCC unroll 8
    for (int tap = 0; tap < kWidth; ++tap)
      if (j >= tap && (j - tap) % kStride == 0 && (j - tap) / kStride < kPixels)
        acc[(j - tap) / kStride] += value * w[tap];
  }
}

// The same for any width, stride and dilation.
template <int kPixels, bool kEdge>
inline void add_row_any(const DwconvArgs& args, const float* x, int64_t first, int64_t last,
                        const float* weights, Vec* acc) {
  for (int64_t tap = 0; tap < args.kernel_w; ++tap) {
    Vec w = load(weights + tap * args.weight_stride);
    ZS_PIN(w);
#pragma GCC unroll 8
    for (int p = 0; p < kPixels; ++p) {
      const int64_t j = tap * args.dilation_w + p * args.stride_w;
      if (kEdge && (j < first || j >= last)) continue;
      acc[p] += load(x + j * args.x_stride) * w;
    }
  }
}

template <int kWidth, int kStride, int kPixels, bool kEdge>
inline void compute_tile(const DwconvArgs& shared, const Tile& tile) {
  const DwconvArgs args =
      shared;  // a copy of our own: for all the compiler knows, storing y changes the caller's
  const Vec max_value = broadcast(args.max_value);
  const int64_t row_step = args.dilation_h * args.in_w * args.x_stride;
  const int64_t weight_step = args.kernel_w * args.weight_stride;
  const int64_t first_row = args.first_row + tile.first_tap * args.dilation_h;
  const float* const x_start = args.x + (first_row * args.in_w + tile.column) * args.x_stride;
  const float* const w_start = args.weights + tile.first_tap * weight_step;
  float* const y = args.y + tile.pixel * args.y_stride;
  const int64_t first = -tile.column, last = args.in_w - tile.column;
  for (int64_t block = 0; block < args.blocks; ++block) {
    uint32_t bits[kPixels] = {};
    for (int i = 0; i < kVectorsPerBlock; ++i) {
      const int64_t c = block * 16 + i * kLanes;
      const Vec bias = load(args.bias + c);
      Vec acc[kPixels];
#pragma GCC unroll 8
      for (int p = 0; p < kPixels; ++p) acc[p] = bias;
      const float* x = x_start + c;
      const float* w = w_start + c;
      for (int64_t tap = tile.first_tap; tap < tile.last_tap; ++tap, x += row_step, w += weight_step) {
        if constexpr (kWidth != 0)
          add_row_fixed<kWidth, kStride, kPixels, kEdge>(x, args.x_stride, first, last, w, args.weight_stride,
                                                         acc);
        else
          add_row_any<kPixels, kEdge>(args, x, first, last, w, acc);
      }
      if (args.thresholds) {
        const Vec threshold = load(args.thresholds + c);
#pragma GCC unroll 8
        for (int p = 0; p < kPixels; ++p) acc[p] = min(fatrelu(acc[p], threshold), max_value);
      }
#pragma GCC unroll 8
      for (int p = 0; p < kPixels; ++p) {
        store(y + p * args.y_stride + c, acc[p]);
        bits[p] |= nonzero_bits(acc[p]) << (i * kLanes);
      }
    }
    if (!args.mask) continue;
    for (int p = 0; p < kPixels; ++p)
      args.mask[(tile.pixel + p) * args.mask_stride + block] = static_cast<uint16_t>(bits[p]);
  }
}

template <int kWidth, int kStride, int kPixels>
inline void run_tile(const DwconvArgs& args, Tile& tile) {
  tile.column = tile.pixel * args.stride_w - args.pad_left;
  const int64_t last = tile.column + (kPixels - 1) * args.stride_w + (args.kernel_w - 1) * args.dilation_w;
  if (tile.column >= 0 && last < args.in_w)
    compute_tile<kWidth, kStride, kPixels, false>(args, tile);
  else
    compute_tile<kWidth, kStride, kPixels, true>(args, tile);
  tile.pixel += kPixels;
}

inline Tile first_tile(const DwconvArgs& args) {
  Tile tile{0, 0, 0, args.kernel_h};
  const auto row_of = [&](int64_t tap) { return args.first_row + tap * args.dilation_h; };
  while (tile.first_tap < tile.last_tap && row_of(tile.first_tap) < 0) ++tile.first_tap;
  while (tile.first_tap < tile.last_tap && row_of(tile.last_tap - 1) >= args.in_h) --tile.last_tap;
  return tile;
}

template <int kWidth, int kStride>
inline void dwconv(const DwconvArgs& args) {
  Tile tile = first_tile(args);
  while (tile.pixel < args.pixels) {
    const int64_t left = args.pixels - tile.pixel;
    // Feature maps are mostly 7 * 2^n wide: sevens then leave no remainder.
    if (left % 7 == 0 && left % kMaxPixels != 0)
      run_tile<kWidth, kStride, 7>(args, tile);
    else if (left >= kMaxPixels)
      run_tile<kWidth, kStride, kMaxPixels>(args, tile);
    else if (left >= 4)
      run_tile<kWidth, kStride, 4>(args, tile);
    else if (left >= 2)
      run_tile<kWidth, kStride, 2>(args, tile);
    else
      run_tile<kWidth, kStride, 1>(args, tile);
  }
}

}  // namespace

void f32_dwconv_ukernel_8x16(const DwconvArgs& args) { dwconv<0, 0>(args); }
void f32_dwconv_ukernel_8x16_3s1(const DwconvArgs& args) { dwconv<3, 1>(args); }
void f32_dwconv_ukernel_8x16_3s2(const DwconvArgs& args) { dwconv<3, 2>(args); }
void f32_dwconv_ukernel_8x16_5s1(const DwconvArgs& args) { dwconv<5, 1>(args); }
void f32_dwconv_ukernel_8x16_5s2(const DwconvArgs& args) { dwconv<5, 2>(args); }

}  // namespace zeroskip::ZS_ISA
