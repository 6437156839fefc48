// Masks and layout changes of elements of less than 32 bits.
#include "kernels/common/narrow.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/eltwise/eltwise.h"

namespace zeroskip::ZS_ISA {
namespace {

constexpr int64_t kPixelBlock =
    32;  // the nhwc side of a block stays in L1 while tiles of planes pass over it

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

template <typename T>
inline void mask(const MaskArgs& args) {
  const auto* x = reinterpret_cast<const T*>(args.x);
  for (int64_t p = 0; p < args.pixels; ++p)
    for (int64_t b = 0; b < args.blocks; ++b)
      args.mask[p * args.mask_stride + b] = mask_word(x + p * args.x_stride + b * kBlockElements<T>);
}

// 16 bytes of elements, interleaved with others.
using Bytes = uint8_t __attribute__((vector_size(16)));
using Shorts = uint16_t __attribute__((vector_size(16)));
inline Bytes interleave_low(Bytes a, Bytes b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
inline Bytes interleave_high(Bytes a, Bytes b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
inline Shorts interleave_low(Shorts a, Shorts b) {
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
inline Shorts interleave_high(Shorts a, Shorts b) {
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}
template <typename T>
using Row = std::conditional_t<sizeof(T) == 1, Bytes, Shorts>;
template <typename T>
constexpr int kTile = 16 / sizeof(T);

// to[j][i] = from[i][j] for i < rows and j < kTile, and to[j][i] = 0 for i in [rows, kTile). Interleaving the upper half of
// the rows with the lower one as often as halves can be halved transposes them.
template <typename T>
inline void transpose_tile(const T* from, int64_t from_stride, T* to, int64_t to_stride, int64_t rows) {
  constexpr int kSize = kTile<T>;
  Row<T> tile[kSize] = {};
  for (int i = 0; i < rows; ++i) std::memcpy(&tile[i], from + i * from_stride, 16);
#pragma GCC unroll 4
  for (int half = kSize / 2; half > 0; half /= 2) {
    Row<T> mixed[kSize];
#pragma GCC unroll 8
    for (int i = 0; i < kSize / 2; ++i) {
      mixed[2 * i] = interleave_low(tile[i], tile[i + kSize / 2]);
      mixed[2 * i + 1] = interleave_high(tile[i], tile[i + kSize / 2]);
    }
    std::memcpy(tile, mixed, sizeof(tile));
  }
#pragma GCC unroll 16
  for (int i = 0; i < kSize; ++i) std::memcpy(to + i * to_stride, &tile[i], 16);
}

template <typename T>
inline void planar_to_nhwc(const PlanarArgs& args, const std::byte* from, std::byte* to) {
  constexpr int64_t kSize = kTile<T>;
  const auto* planar = reinterpret_cast<const T*>(from);
  auto* nhwc = reinterpret_cast<T*>(to);
  const int64_t padded = (args.channels + kBlockElements<T> - 1) / kBlockElements<T> * kBlockElements<T>;
  for (int64_t first = 0; first < args.pixels; first += kPixelBlock) {
    const int64_t last = smaller(args.pixels, first + kPixelBlock);
    for (int64_t c = 0; c < padded; c += kSize) {
      const int64_t rows = smaller(kSize, std::max<int64_t>(0, args.channels - c));
      int64_t p = first;
      for (; p + kSize <= last; p += kSize)
        transpose_tile(planar + c * args.plane_stride + p, args.plane_stride,
                       nhwc + p * args.pixel_stride + c, args.pixel_stride, rows);
      for (; p < last; ++p)
        for (int64_t i = 0; i < kSize; ++i)
          nhwc[p * args.pixel_stride + c + i] = i < rows ? planar[(c + i) * args.plane_stride + p] : T{};
    }
  }
}

template <typename T>
inline void nhwc_to_planar(const PlanarArgs& args, const std::byte* from, std::byte* to) {
  constexpr int64_t kSize = kTile<T>;
  const auto* nhwc = reinterpret_cast<const T*>(from);
  auto* planar = reinterpret_cast<T*>(to);
  for (int64_t first = 0; first < args.pixels; first += kPixelBlock) {
    const int64_t last = smaller(args.pixels, first + kPixelBlock);
    const int64_t whole_channels = args.channels / kSize * kSize;
    const int64_t whole_pixels = first + (last - first) / kSize * kSize;
    for (int64_t c = 0; c < whole_channels; c += kSize)
      for (int64_t p = first; p < whole_pixels; p += kSize)
        transpose_tile(nhwc + p * args.pixel_stride + c, args.pixel_stride,
                       planar + c * args.plane_stride + p, args.plane_stride, kSize);
    for (int64_t c = 0; c < args.channels; ++c)
      for (int64_t p = c < whole_channels ? whole_pixels : first; p < last; ++p)
        planar[c * args.plane_stride + p] = nhwc[p * args.pixel_stride + c];
  }
}

}  // namespace

void u8_mask(const MaskArgs& args) { mask<uint8_t>(args); }
void bf16_mask(const MaskArgs& args) { mask<Bf16>(args); }

void u8_planar_to_nhwc(const PlanarArgs& args, const std::byte* planar, std::byte* nhwc) {
  planar_to_nhwc<uint8_t>(args, planar, nhwc);
}
void bf16_planar_to_nhwc(const PlanarArgs& args, const std::byte* planar, std::byte* nhwc) {
  planar_to_nhwc<Bf16>(args, planar, nhwc);
}

void u8_nhwc_to_planar(const PlanarArgs& args, const std::byte* nhwc, std::byte* planar) {
  nhwc_to_planar<uint8_t>(args, nhwc, planar);
}
void bf16_nhwc_to_planar(const PlanarArgs& args, const std::byte* nhwc, std::byte* planar) {
  nhwc_to_planar<Bf16>(args, nhwc, planar);
}

}  // namespace zeroskip::ZS_ISA
