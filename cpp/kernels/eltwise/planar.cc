// NCHW <-> NHWC by 4x4 transposes: 128-bit shuffles exist on every instruction set, and wider ones would gain
// little because one side of the copy is always strided.
#include "kernels/common/simd.h"
#include "kernels/eltwise/eltwise.h"

namespace zeroskip::ZS_ISA {
namespace {

using Quad = float __attribute__((vector_size(16)));
using UnalignedQuad = float __attribute__((vector_size(16), aligned(4), may_alias));

inline Quad load_quad(const float* p) { return *reinterpret_cast<const UnalignedQuad*>(p); }
inline void store_quad(float* p, Quad v) { *reinterpret_cast<UnalignedQuad*>(p) = v; }

// to[j][i] = from[i][j] for i, j < 4.
inline void transpose4(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  const Quad a = load_quad(from), b = load_quad(from + from_stride);
  const Quad c = load_quad(from + 2 * from_stride), d = load_quad(from + 3 * from_stride);
  const Quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5),
             ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5),
             cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  store_quad(to, __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5));
  store_quad(to + to_stride, __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7));
  store_quad(to + 2 * to_stride, __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5));
  store_quad(to + 3 * to_stride, __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7));
}

// to[j][i] = from[i][j] for i < rows, j < columns, reading and writing exactly these.
inline void transpose(const float* from, int64_t from_stride, float* to, int64_t to_stride, int64_t rows,
                      int64_t columns) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    int64_t j = 0;
    for (; j + 4 <= columns; j += 4)
      transpose4(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
    for (; j < columns; ++j)
      for (int64_t k = i; k < i + 4; ++k) to[j * to_stride + k] = from[k * from_stride + j];
  }
  for (; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) to[j * to_stride + i] = from[i * from_stride + j];
}

constexpr int64_t kPixelBlock = 64;  // the nhwc side of a block stays in L1 while channel quads pass over it

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

}  // namespace

void f32_planar_to_nhwc(const PlanarArgs& args, const float* planar, float* nhwc) {
  const int64_t padded = (args.channels + 15) / 16 * 16;
  for (int64_t first = 0; first < args.pixels; first += kPixelBlock) {
    const int64_t pixels = smaller(kPixelBlock, args.pixels - first);
    float* to = nhwc + first * args.pixel_stride;
    transpose(planar + first, args.plane_stride, to, args.pixel_stride, args.channels, pixels);
    for (int64_t p = 0; p < pixels; ++p)
      for (int64_t c = args.channels; c < padded; ++c) to[p * args.pixel_stride + c] = 0.0f;
  }
}

void f32_nhwc_to_planar(const PlanarArgs& args, const float* nhwc, float* planar) {
  for (int64_t first = 0; first < args.pixels; first += kPixelBlock) {
    const int64_t pixels = smaller(kPixelBlock, args.pixels - first);
    transpose(nhwc + first * args.pixel_stride, args.pixel_stride, planar + first, args.plane_stride, pixels,
              args.channels);
  }
}

}  // namespace zeroskip::ZS_ISA
