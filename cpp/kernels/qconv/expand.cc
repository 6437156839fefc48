// From 8 to 16 bits: activations and panels of weights, as the convolution kernels read them.
#include "kernels/common/int_simd.h"
#include "kernels/qconv/qconv.h"

namespace zeroskip::ZS_ISA {
namespace {

using Bytes16 = int8_t __attribute__((vector_size(16)));
using Shorts16 = int16_t __attribute__((vector_size(32), aligned(2), may_alias));

inline Bytes16 load_bytes(const int8_t* p) {
  Bytes16 bytes;
  std::memcpy(&bytes, p, sizeof(bytes));
  return bytes;
}

inline void store_widened(Bytes16 bytes, int16_t* to) {
  *reinterpret_cast<Shorts16*>(to) = __builtin_convertvector(bytes, Shorts16);
}

inline Bytes16 interleave_low_bytes(Bytes16 a, Bytes16 b) {
  return __builtin_shuffle(a, b, Bytes16{0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23});
}
inline Bytes16 interleave_high_bytes(Bytes16 a, Bytes16 b) {
  return __builtin_shuffle(a, b, Bytes16{8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31});
}

constexpr int64_t kSlabBytes = 64;

}  // namespace

void u8_widen(const uint8_t* from, int64_t count, uint8_t zero_point, int16_t* to) {
  for (int64_t i = 0; i < count; i += kShorts)
    store_shorts(to + i, widen_bytes(from + i) - static_cast<int16_t>(zero_point));
}

void s8_expand_rows(const ExpandArgs& args) {
  const int64_t width = args.blocks * 16;
  for (int64_t c = 0; c < args.channels; ++c)
    for (int64_t i = 0; i < width; i += kShorts)
      store_shorts(args.to + c * width + i, arrange(widen_bytes(args.from + c * kSlabBytes + i)));
}

void s8_expand_pairs(const ExpandArgs& args) {
  for (int64_t c = 0; c < args.channels; c += 2)
    for (int64_t block = 0; block < args.blocks; ++block) {
      const int8_t* from = args.from + c * kSlabBytes + block * 16;
      const Bytes16 a = load_bytes(from),
                    b = c + 1 < args.channels ? load_bytes(from + kSlabBytes) : Bytes16{};
      int16_t* to = args.to + block * args.block_stride + c * 16;
      store_widened(interleave_low_bytes(a, b), to);
      store_widened(interleave_high_bytes(a, b), to + 16);
    }
}

}  // namespace zeroskip::ZS_ISA
