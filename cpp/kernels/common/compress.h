// Eight 16-bit elements at a time: which are not zero, and moving those to the front. The bytes to move stand in a table
// with a row for every pattern of eight bits.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "kernels/common/simd.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace zeroskip::ZS_ISA {

using Shorts8 = int16_t __attribute__((vector_size(16)));

inline Shorts8 load_eight(const void* p) {
  Shorts8 elements;
  std::memcpy(&elements, p, sizeof(elements));
  return elements;
}

#if defined(__SSSE3__) || defined(__aarch64__)
// For every byte of bits, the 16-bit elements whose bit is set, moved to the front.
using BytePattern = std::array<uint8_t, 16>;
inline constexpr std::array<BytePattern, 256> kBytePatterns = [] {
  std::array<BytePattern, 256> patterns{};
  for (unsigned bits = 0; bits < 256; ++bits) {
    unsigned next = 0;
    for (unsigned element = 0; element < 8; ++element)
      if (bits >> element & 1) {
        patterns[bits][2 * next] = static_cast<uint8_t>(2 * element);
        patterns[bits][2 * next + 1] = static_cast<uint8_t>(2 * element + 1);
        ++next;
      }
  }
  return patterns;
}();
#endif

// Writes the elements whose bit is set one behind the other, and up to 16 bytes in all.
inline void store_compressed(Shorts8 elements, unsigned bits, void* to) {
#if defined(__aarch64__)
  const uint8x16_t moved =
      vqtbl1q_u8(reinterpret_cast<uint8x16_t>(elements), vld1q_u8(kBytePatterns[bits].data()));
  std::memcpy(to, &moved, sizeof(moved));
#elif defined(__SSSE3__)
  const __m128i pattern = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kBytePatterns[bits].data()));
  _mm_storeu_si128(static_cast<__m128i*>(to), _mm_shuffle_epi8(reinterpret_cast<__m128i>(elements), pattern));
#else
  Shorts8 moved{};
  int next = 0;
  for (int element = 0; element < 8; ++element)
    if (bits >> element & 1) moved[next++] = elements[element];
  std::memcpy(to, &moved, sizeof(moved));
#endif
}

// Bit i = element i is not zero.
inline unsigned nonzero_elements(Shorts8 elements) {
#if defined(__aarch64__)
  const uint16x8_t bits =
      vtstq_s16(reinterpret_cast<int16x8_t>(elements), reinterpret_cast<int16x8_t>(elements));
  return vaddvq_u16(vandq_u16(bits, uint16x8_t{1, 2, 4, 8, 16, 32, 64, 128}));
#elif defined(__SSE2__)
  const __m128i is_zero = _mm_cmpeq_epi16(reinterpret_cast<__m128i>(elements), _mm_setzero_si128());
  return ~static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(is_zero, is_zero))) & 0xff;
#else
  unsigned bits = 0;
  for (int element = 0; element < 8; ++element)
    bits |= static_cast<unsigned>(elements[element] != 0) << element;
  return bits;
#endif
}

}  // namespace zeroskip::ZS_ISA
