// Activations widened to 16 bits and weights interleaved, as the dense kernels read them.
#include "kernels/common/int_simd.h"
#include "kernels/qconv/qconv.h"

namespace zeroskip::ZS_ISA {
namespace {

using Shorts16 = int16_t __attribute__((vector_size(32)));
using UnalignedShorts16 __attribute__((aligned(2), may_alias)) = Shorts16;
static_assert(alignof(UnalignedShorts16) == 2);

inline void store_widened(Bytes16 bytes, std::byte* to) {
  *reinterpret_cast<UnalignedShorts16*>(to) = __builtin_convertvector(bytes, Shorts16);
}

// 16 outputs of a channel, zeros behind the last channel.
inline Bytes16 load_outputs(const int8_t* from, int64_t channels, int64_t channel) {
  return channel < channels ? load_bytes(from + channel * kSlabRowBytes) : Bytes16{};
}

inline void store_interleaved(Bytes16 a, Bytes16 b, std::byte* to) {
  using Shorts8 = int16_t __attribute__((vector_size(16)));
  const auto x = reinterpret_cast<Shorts8>(a), y = reinterpret_cast<Shorts8>(b);
  const Shorts8 low = __builtin_shufflevector(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
  const Shorts8 high = __builtin_shufflevector(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
  std::memcpy(to, &low, sizeof(low));
  std::memcpy(to + sizeof(low), &high, sizeof(high));
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
      const int8_t* from = args.from + block * 16;
      const Bytes16 a = load_outputs(from, args.channels, c), b = load_outputs(from, args.channels, c + 1);
      std::byte* to = args.to + block * args.block_stride + c * 32;
      store_widened(interleave_low_bytes(a, b), to);
      store_widened(interleave_high_bytes(a, b), to + 32);
    }
}

std::byte* s8_expand_ordered(const ExpandOrderedArgs& args) {
  const auto header = *reinterpret_cast<const QuadOrderHeader*>(args.order);
  const auto* channel = reinterpret_cast<const uint16_t*>(args.order + sizeof(header));
  const int8_t* from = args.from;
  std::byte* to = args.to;
  for (int64_t left = 2 * header.twos + header.ones; left > 0; --left, to += 64) {
    const int64_t c = *channel++;
    const Bytes16 a = load_outputs(from, args.channels, c), b = load_outputs(from, args.channels, c + 1);
    const Bytes16 x = load_outputs(from, args.channels, c + 2), y = load_outputs(from, args.channels, c + 3);
    store_interleaved(interleave_low_bytes(a, b), interleave_low_bytes(x, y), to);
    store_interleaved(interleave_high_bytes(a, b), interleave_high_bytes(x, y), to + 32);
  }
  for (int64_t left = header.wide; left > 0; --left) {
    const int64_t c = *channel++;
    for (int64_t i = 0; i < 2; ++i, to += 64) {
      const Bytes16 a = load_outputs(from, args.channels, c + i),
                    b = load_outputs(from, args.channels, c + i + 2);
      store_widened(interleave_low_bytes(a, b), to);
      store_widened(interleave_high_bytes(a, b), to + 32);
    }
  }
  return to;
}

}  // namespace zeroskip::ZS_ISA
