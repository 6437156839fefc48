// From 8 to 16 bits: activations and panels of weights, as the convolution kernels read them.
#include "kernels/common/int_simd.h"
#include "kernels/qconv/qconv.h"

namespace zeroskip::ZS_ISA {
namespace {

using Shorts16 = int16_t __attribute__((vector_size(32)));
using UnalignedShorts16 __attribute__((aligned(2), may_alias)) = Shorts16;
static_assert(alignof(UnalignedShorts16) == 2);

inline void store_widened(Bytes16 bytes, int16_t* to) {
  *reinterpret_cast<UnalignedShorts16*>(to) = __builtin_convertvector(bytes, Shorts16);
}

}  // namespace

void u8_widen(const uint8_t* from, int64_t count, uint8_t zero_point, int16_t* to) {
  int64_t i = 0;
  for (; i + kShorts <= count; i += kShorts)
    store_shorts(to + i, widen_bytes(from + i) - static_cast<int16_t>(zero_point));
  for (; i < count; ++i) to[i] = static_cast<int16_t>(from[i] - zero_point);
}

void s8_expand_pairs(const ExpandArgs& args) {
  for (int64_t c = 0; c < args.channels; c += 2)
    for (int64_t block = 0; block < args.blocks; ++block) {
      const int8_t* from = args.from + c * kSlabRowBytes + block * 16;
      const Bytes16 a = load_bytes(from),
                    b = c + 1 < args.channels ? load_bytes(from + kSlabRowBytes) : Bytes16{};
      int16_t* to = args.to + block * args.block_stride + c * 16;
      store_widened(interleave_low_bytes(a, b), to);
      store_widened(interleave_high_bytes(a, b), to + 16);
    }
}

}  // namespace zeroskip::ZS_ISA
