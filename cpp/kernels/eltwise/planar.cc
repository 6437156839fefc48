// NCHW <-> NHWC by 4x4 transposes: 128-bit shuffles exist on every instruction set, and wider ones would gain
// little because one side of the copy is always strided.
#include "kernels/common/simd.h"
#include "kernels/eltwise/eltwise.h"

namespace zeroskip::ZS_ISA {
namespace {

using Quad = float __attribute__((vector_size(16)));
using UnalignedQuad __attribute__((aligned(4), may_alias)) = Quad;
static_assert(alignof(UnalignedQuad) == 4);

inline Quad load_quad(const float* p) { return *reinterpret_cast<const UnalignedQuad*>(p); }
inline void store_quad(float* p, Quad v) { *reinterpret_cast<UnalignedQuad*>(p) = v; }

// to[j][i] = from[i][j] for i < rows <= 4 and j < 4, and to[j][i] = 0 for i in [rows, 4).
inline void transpose4(const float* from, int64_t from_stride, float* to, int64_t to_stride,
                       int64_t rows = 4) {
  const Quad a = load_quad(from);
  const Quad b = rows > 1 ? load_quad(from + from_stride) : Quad{};
  const Quad c = rows > 2 ? load_quad(from + 2 * from_stride) : Quad{};
  const Quad d = rows > 3 ? load_quad(from + 3 * from_stride) : Quad{};
  const Quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5),
             ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5),
             cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  store_quad(to, __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5));
  store_quad(to + to_stride, __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7));
  store_quad(to + 2 * to_stride, __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5));
  store_quad(to + 3 * to_stride, __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7));
}

constexpr int64_t kPixelBlock = 32;  // the nhwc side of a block stays in L1 while channel quads pass over it

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// to[p][c] = planes[c][p] for c < channels and zero up to `padded`, a multiple of 4.
inline void interleave(const PlanarArgs& args, const float* planes, float* to, int64_t pixels,
                       int64_t padded) {
  const int64_t stride = args.pixel_stride, whole = pixels / 4 * 4;
  for (int64_t c = 0; c < padded; c += 4) {
    const int64_t rows = smaller(4, args.channels - c);
    if (rows <= 0) {
      for (int64_t p = 0; p < pixels; ++p) store_quad(to + p * stride + c, Quad{});
      continue;
    }
    const float* from = planes + c * args.plane_stride;
    for (int64_t p = 0; p < whole; p += 4)
      transpose4(from + p, args.plane_stride, to + p * stride + c, stride, rows);
    for (int64_t p = whole; p < pixels; ++p)
      for (int64_t i = 0; i < 4; ++i)
        to[p * stride + c + i] = i < rows ? from[i * args.plane_stride + p] : 0.0f;
  }
}

// planes[c][p] = from[p][c] for c < channels, reading and writing exactly these.
inline void split_planes(const PlanarArgs& args, const float* from, float* planes, int64_t pixels) {
  const int64_t stride = args.pixel_stride, whole = pixels / 4 * 4;
  int64_t c = 0;
  for (; c + 4 <= args.channels; c += 4)
    for (int64_t p = 0; p < whole; p += 4)
      transpose4(from + p * stride + c, stride, planes + c * args.plane_stride + p, args.plane_stride);
  const int64_t whole_channels = c;
  for (c = 0; c < args.channels; ++c)
    for (int64_t p = c < whole_channels ? whole : 0; p < pixels; ++p)
      planes[c * args.plane_stride + p] = from[p * stride + c];
}

}  // namespace

void f32_planar_to_nhwc(const PlanarArgs& args, const std::byte* from, std::byte* to) {
  const auto* planar = reinterpret_cast<const float*>(from);
  auto* nhwc = reinterpret_cast<float*>(to);
  const int64_t padded = (args.channels + 15) / 16 * 16;
  for (int64_t first = 0; first < args.pixels; first += kPixelBlock)
    interleave(args, planar + first, nhwc + first * args.pixel_stride,
               smaller(kPixelBlock, args.pixels - first), padded);
}

void f32_nhwc_to_planar(const PlanarArgs& args, const std::byte* from, std::byte* to) {
  const auto* nhwc = reinterpret_cast<const float*>(from);
  auto* planar = reinterpret_cast<float*>(to);
  for (int64_t first = 0; first < args.pixels; first += kPixelBlock)
    split_planes(args, nhwc + first * args.pixel_stride, planar + first,
                 smaller(kPixelBlock, args.pixels - first));
}

}  // namespace zeroskip::ZS_ISA
