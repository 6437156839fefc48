// Masks and layout changes of elements of less than 32 bits.
#include "kernels/common/narrow.h"

#include "kernels/eltwise/eltwise.h"

namespace zeroskip::ZS_ISA {
namespace {

constexpr int64_t kPixelBlock = 32;  // the nhwc side of a block stays in L1 while planes pass over it

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

template <typename T>
inline void mask(const MaskArgs& args) {
  const auto* x = reinterpret_cast<const T*>(args.x);
  for (int64_t p = 0; p < args.pixels; ++p)
    for (int64_t b = 0; b < args.blocks; ++b)
      args.mask[p * args.mask_stride + b] = mask_word(x + p * args.x_stride + b * kBlockElements<T>);
}

template <typename T>
inline void planar_to_nhwc(const PlanarArgs& args, const std::byte* from, std::byte* to) {
  const auto* planar = reinterpret_cast<const T*>(from);
  auto* nhwc = reinterpret_cast<T*>(to);
  const int64_t padded = (args.channels + kBlockElements<T> - 1) / kBlockElements<T> * kBlockElements<T>;
  for (int64_t first = 0; first < args.pixels; first += kPixelBlock) {
    const int64_t last = smaller(args.pixels, first + kPixelBlock);
    for (int64_t c = 0; c < padded; ++c)
      for (int64_t p = first; p < last; ++p)
        nhwc[p * args.pixel_stride + c] = c < args.channels ? planar[c * args.plane_stride + p] : T{};
  }
}

template <typename T>
inline void nhwc_to_planar(const PlanarArgs& args, const std::byte* from, std::byte* to) {
  const auto* nhwc = reinterpret_cast<const T*>(from);
  auto* planar = reinterpret_cast<T*>(to);
  for (int64_t first = 0; first < args.pixels; first += kPixelBlock) {
    const int64_t last = smaller(args.pixels, first + kPixelBlock);
    for (int64_t c = 0; c < args.channels; ++c)
      for (int64_t p = first; p < last; ++p)
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
