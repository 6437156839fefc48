// Included first where kernels of a 512-bit instruction set are compiled for CPUs with AVX2 (ZEROSKIP_EMULATE_ISAS of
// cmake/isa.cmake): SIMDe's portable functions in place of the intrinsics; GCC makes two halves of 64-byte vectors itself.
#pragma once

#include <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#define ZS_EMULATED 1

// What SIMDe 0.7.4 lacks or, `madd`, takes for its masked form.
namespace zeroskip::emulated {

template <typename Half, typename Whole, typename Function>
inline simde__m512i by_halves(Whole a, Whole b, const Function& function) {
  Half x[2], y[2], result[2];
  __builtin_memcpy(x, &a, sizeof(x));
  __builtin_memcpy(y, &b, sizeof(y));
  for (int i = 0; i < 2; ++i) result[i] = function(x[i], y[i]);
  simde__m512i whole;
  __builtin_memcpy(&whole, result, sizeof(whole));
  return whole;
}

inline simde__m512i madd_epi16(simde__m512i a, simde__m512i b) {
  return by_halves<__m256i>(a, b, [](__m256i x, __m256i y) { return _mm256_madd_epi16(x, y); });
}

inline simde__m512 maskz_cvtph_ps(unsigned mask, __m256i halves) {
  float values[16];
  for (int i = 0; i < 2; ++i) {
    const __m128i half = i == 0 ? _mm256_castsi256_si128(halves) : _mm256_extracti128_si256(halves, 1);
    const __m256 converted = _mm256_cvtph_ps(half);
    __builtin_memcpy(values + 8 * i, &converted, sizeof(converted));
  }
  for (int i = 0; i < 16; ++i)
    if (!(mask >> i & 1)) values[i] = 0.0f;
  simde__m512 whole;
  __builtin_memcpy(&whole, values, sizeof(whole));
  return whole;
}

inline simde__m512i maskz_cvtps_epi32(unsigned mask, simde__m512 x) {
  const simde__m512i ints = by_halves<__m256i>(
      x, x, [](__m256i half, __m256i) { return _mm256_cvtps_epi32(_mm256_castsi256_ps(half)); });
  return simde_mm512_maskz_mov_epi32(static_cast<simde__mmask16>(mask), ints);
}

inline simde__m512i maskz_cvtepu8_epi32(unsigned mask, __m128i bytes) {
  const __m256i halves[2] = {_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))};
  simde__m512i ints;
  __builtin_memcpy(&ints, halves, sizeof(ints));
  return simde_mm512_maskz_mov_epi32(static_cast<simde__mmask16>(mask), ints);
}

// Of the parts of 16 bytes two of a by the lower bits of `order`, then two of b by the upper ones.
inline simde__m512i maskz_shuffle_i32x4(unsigned mask, simde__m512i a, simde__m512i b, int order) {
  __m128i x[4], y[4];
  __builtin_memcpy(x, &a, sizeof(x));
  __builtin_memcpy(y, &b, sizeof(y));
  const __m128i parts[4] = {x[order & 3], x[order >> 2 & 3], y[order >> 4 & 3], y[order >> 6 & 3]};
  simde__m512i whole;
  __builtin_memcpy(&whole, parts, sizeof(whole));
  return simde_mm512_maskz_mov_epi32(static_cast<simde__mmask16>(mask), whole);
}

inline __m128i maskz_cvtusepi16_epi8(unsigned mask, __m256i shorts) {
  const __m256i small = _mm256_min_epu16(shorts, _mm256_set1_epi16(255));
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(small), _mm256_extracti128_si256(small, 1));
  return simde_mm_maskz_mov_epi8(static_cast<simde__mmask16>(mask), bytes);
}

inline uint32_t cmpgt_epu8_mask(__m256i a, __m256i b) {
  const __m256i is_less = _mm256_cmpeq_epi8(_mm256_subs_epu8(a, b), _mm256_setzero_si256());
  return ~static_cast<uint32_t>(_mm256_movemask_epi8(is_less));
}

// The elements whose bits are set, one after the other, then zeros.
template <typename Element, typename Vector>
inline Vector maskz_compress(uint32_t mask, Vector a) {
  Element from[sizeof(Vector) / sizeof(Element)], to[sizeof(Vector) / sizeof(Element)] = {};
  __builtin_memcpy(from, &a, sizeof(a));
  for (size_t i = 0, next = 0; i < sizeof(Vector) / sizeof(Element); ++i)
    if (mask >> i & 1) to[next++] = from[i];
  __builtin_memcpy(&a, to, sizeof(a));
  return a;
}

}  // namespace zeroskip::emulated

#undef _mm512_madd_epi16
#define _mm512_madd_epi16 ::zeroskip::emulated::madd_epi16
#undef _mm512_maskz_cvtph_ps
#define _mm512_maskz_cvtph_ps ::zeroskip::emulated::maskz_cvtph_ps
#undef _mm512_maskz_cvtps_epi32
#define _mm512_maskz_cvtps_epi32 ::zeroskip::emulated::maskz_cvtps_epi32
#undef _mm256_maskz_cvtusepi16_epi8
#define _mm256_maskz_cvtusepi16_epi8 ::zeroskip::emulated::maskz_cvtusepi16_epi8
#undef _mm512_maskz_cvtepu8_epi32
#define _mm512_maskz_cvtepu8_epi32 ::zeroskip::emulated::maskz_cvtepu8_epi32
#undef _mm512_maskz_shuffle_i32x4
#define _mm512_maskz_shuffle_i32x4 ::zeroskip::emulated::maskz_shuffle_i32x4
#define _mm512_maskz_compress_epi16 ::zeroskip::emulated::maskz_compress<uint16_t>
#define _mm256_maskz_compress_epi8 ::zeroskip::emulated::maskz_compress<uint8_t>
#undef _mm256_cmpgt_epu8_mask
#define _mm256_cmpgt_epu8_mask ::zeroskip::emulated::cmpgt_epu8_mask
