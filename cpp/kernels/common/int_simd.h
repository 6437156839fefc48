// Vectors of 16- and 32-bit integers as wide as those of simd.h: products of pairs, interleaving, conversions.
// Where an instruction set has no instruction for one of them, a loop says what it means.
#pragma once

#include "kernels/common/simd.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace zeroskip::ZS_ISA {

inline constexpr int kShorts = 2 * kLanes;  // 16-bit integers in a vector

using ShortVec = int16_t __attribute__((vector_size(kLanes * 4)));
using UnalignedShortVec __attribute__((aligned(2), may_alias)) = ShortVec;
using UnalignedInt32Vec __attribute__((aligned(4), may_alias)) = IntVec;
using UnalignedShort __attribute__((aligned(1), may_alias)) = int16_t;
static_assert(alignof(UnalignedShortVec) == 2 && alignof(UnalignedInt32Vec) == 4 &&
              alignof(UnalignedShort) == 1);

inline ShortVec load_shorts(const int16_t* p) { return *reinterpret_cast<const UnalignedShortVec*>(p); }
inline void store_shorts(int16_t* p, ShortVec v) { *reinterpret_cast<UnalignedShortVec*>(p) = v; }
inline IntVec load_ints(const int32_t* p) { return *reinterpret_cast<const UnalignedInt32Vec*>(p); }
inline void store_ints(int32_t* p, IntVec v) { *reinterpret_cast<UnalignedInt32Vec*>(p) = v; }

// Two neighbouring 16-bit integers in every 32-bit lane.
inline ShortVec broadcast_pair(const int16_t* p) {
  int32_t pair;
  std::memcpy(&pair, p, sizeof(pair));
#if ZS_LANES == 16
  return reinterpret_cast<ShortVec>(_mm512_set1_epi32(pair));
#elif ZS_LANES == 8
  return reinterpret_cast<ShortVec>(_mm256_set1_epi32(pair));
#else
  return reinterpret_cast<ShortVec>(IntVec{} + pair);
#endif
}

// Lane i: a[2i] * b[2i] + a[2i + 1] * b[2i + 1]. Exact: neither product nor sum leaves 32 bits unless all four
// factors are -32768.
inline IntVec multiply_pairs(ShortVec a, ShortVec b) {
#if ZS_LANES == 16
  return reinterpret_cast<IntVec>(
      _mm512_madd_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif ZS_LANES == 8
  return reinterpret_cast<IntVec>(
      _mm256_madd_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__SSE2__)
  return reinterpret_cast<IntVec>(_mm_madd_epi16(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#elif defined(__aarch64__)
  const int16x8_t x = reinterpret_cast<int16x8_t>(a), y = reinterpret_cast<int16x8_t>(b);
  return reinterpret_cast<IntVec>(
      vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y)));
#else
  IntVec sums;
  for (int i = 0; i < kLanes; ++i) sums[i] = a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
  return sums;
#endif
}

// Vectors of 32 bytes and more are interleaved within their 16-byte parts.
#if ZS_LANES == 16
inline ShortVec interleave_low(ShortVec a, ShortVec b) {
  return reinterpret_cast<ShortVec>(
      _mm512_unpacklo_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}
inline ShortVec interleave_high(ShortVec a, ShortVec b) {
  return reinterpret_cast<ShortVec>(
      _mm512_unpackhi_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}
#elif ZS_LANES == 8
inline ShortVec interleave_low(ShortVec a, ShortVec b) {
  return reinterpret_cast<ShortVec>(
      _mm256_unpacklo_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
}
inline ShortVec interleave_high(ShortVec a, ShortVec b) {
  return reinterpret_cast<ShortVec>(
      _mm256_unpackhi_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
}
#else
inline ShortVec interleave_low(ShortVec a, ShortVec b) {
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
inline ShortVec interleave_high(ShortVec a, ShortVec b) {
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}
#endif

// kShorts bytes as 16-bit integers.
inline ShortVec widen_bytes(const uint8_t* p) {
  using Bytes = uint8_t __attribute__((vector_size(kShorts)));
  Bytes bytes;
  std::memcpy(&bytes, p, sizeof(bytes));
  return __builtin_convertvector(bytes, ShortVec);
}
inline ShortVec widen_bytes(const int8_t* p) {
  using Bytes = int8_t __attribute__((vector_size(kShorts)));
  Bytes bytes;
  std::memcpy(&bytes, p, sizeof(bytes));
  return __builtin_convertvector(bytes, ShortVec);
}

// kLanes bytes as 32-bit integers.
inline IntVec widen_to_ints(const uint8_t* p) {
#if ZS_LANES == 16
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return reinterpret_cast<IntVec>(_mm512_maskz_cvtepu8_epi32(0xffff, bytes));
#elif ZS_LANES == 8
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return reinterpret_cast<IntVec>(_mm256_cvtepu8_epi32(bytes));
#else
  IntVec ints;
  for (int i = 0; i < kLanes; ++i) ints[i] = p[i];
  return ints;
#endif
}

// Writes 16 integers of 0 to 255 as bytes.
inline void store_narrowed(const IntVec (&ints)[kVectorsPerBlock], uint8_t* to) {
#if ZS_LANES == 16
  const __m256i shorts = _mm512_maskz_cvtsepi32_epi16(0xffff, reinterpret_cast<__m512i>(ints[0]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_maskz_cvtusepi16_epi8(0xffff, shorts));
#elif ZS_LANES == 8
  const __m256i mixed =
      _mm256_packs_epi32(reinterpret_cast<__m256i>(ints[0]), reinterpret_cast<__m256i>(ints[1]));
  const __m256i shorts = _mm256_permute4x64_epi64(mixed, 0xd8);
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(shorts), _mm256_extracti128_si256(shorts, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
#elif defined(__SSE2__)
  const auto part = [&](int i) { return reinterpret_cast<__m128i>(ints[i]); };
  const __m128i low = _mm_packs_epi32(part(0), part(1)), high = _mm_packs_epi32(part(2), part(3));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(low, high));
#else
  for (int i = 0; i < 16; ++i) to[i] = static_cast<uint8_t>(ints[i / kLanes][i % kLanes]);
#endif
}

using Bytes16 = int8_t __attribute__((vector_size(16)));

inline Bytes16 load_bytes(const int8_t* p) {
  Bytes16 bytes;
  std::memcpy(&bytes, p, sizeof(bytes));
  return bytes;
}
inline Bytes16 interleave_low_bytes(Bytes16 a, Bytes16 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
inline Bytes16 interleave_high_bytes(Bytes16 a, Bytes16 b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

inline Vec to_floats(IntVec v) { return __builtin_convertvector(v, Vec); }

// The nearest integers, of two equally near ones the even one; |x| below 2^22.
inline Vec round_half_even(Vec x) {
#if ZS_LANES == 16
  return reinterpret_cast<Vec>(_mm512_maskz_roundscale_ps(0xffff, reinterpret_cast<__m512>(x),
                                                          _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif ZS_LANES == 8
  return reinterpret_cast<Vec>(
      _mm256_round_ps(reinterpret_cast<__m256>(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#else
  constexpr float kInteger = 12582912.0f;  // 3 * 2^22: floats around it are integers
  Vec rounded = x + kInteger;
  ZS_PIN(rounded);
  return rounded - kInteger;
#endif
}

inline IntVec to_ints(Vec x) {
#if ZS_LANES == 16
  return reinterpret_cast<IntVec>(_mm512_maskz_cvtps_epi32(0xffff, reinterpret_cast<__m512>(x)));
#elif ZS_LANES == 8
  return reinterpret_cast<IntVec>(_mm256_cvtps_epi32(reinterpret_cast<__m256>(x)));
#else
  return __builtin_convertvector(round_half_even(x), IntVec);
#endif
}

}  // namespace zeroskip::ZS_ISA
