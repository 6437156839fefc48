// Elements of less than 32 bits, one channel block (64 bytes) of them at a time. Plain loops: the compiler makes
// vectors of them.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/types.h"

namespace zeroskip::ZS_ISA {

// Wide is a type in which elements compare; every element is exact in it.
template <typename T>
struct Narrow;

template <>
struct Narrow<uint8_t> {
  using Wide = uint8_t;
  static Wide widen(uint8_t x) { return x; }
  static uint8_t narrow(Wide x) { return x; }
  static uint32_t magnitude(uint8_t x) { return x; }  // zero for zeros only
};

template <>
struct Narrow<Bf16> {
  using Wide = float;
  static Wide widen(Bf16 x) {
    const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }
  static Bf16 narrow(Wide x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof(bits));
    return {static_cast<uint16_t>(bits >> 16)};
  }
  static uint32_t magnitude(Bf16 x) { return x.bits & 0x7fffu; }
};

template <typename T>
inline constexpr int64_t kBlockElements = kChannelBlockBytes / static_cast<int64_t>(sizeof(T));

// The mask word of one channel block.
template <typename T>
inline uint16_t mask_word(const T* x) {
  constexpr int kPerBit = kMaskBitBytes / static_cast<int>(sizeof(T));
  uint32_t word = 0;
  for (int bit = 0; bit < 16; ++bit) {
    uint32_t any = 0;
    for (int i = 0; i < kPerBit; ++i) any |= Narrow<T>::magnitude(x[bit * kPerBit + i]);
    word |= static_cast<uint32_t>(any != 0) << bit;
  }
  return static_cast<uint16_t>(word);
}

}  // namespace zeroskip::ZS_ISA
