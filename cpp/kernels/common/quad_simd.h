// Products of four u8 by four s8 in every 32-bit lane, and the interleaving that brings rows of bytes there.
#pragma once

#include <cstddef>

#include "kernels/common/int_simd.h"

namespace zeroskip::ZS_ISA {

inline constexpr int kQuadOutputs = 4 * kLanes;  // outputs whose rows of s8 fill a vector

// The largest value whose products are exact. vpmaddubsw saturates sums of two products, which 2 * 128 * 128 does not
// reach; sdot and smull take signed bytes.
#if ZS_MULTIPLIES_QUADS
inline constexpr int kMostQuadValue = 255;
#elif ZS_LANES >= 8
inline constexpr int kMostQuadValue = 128;
#elif defined(__aarch64__)
inline constexpr int kMostQuadValue = 127;
#else
inline constexpr int kMostQuadValue = 255;
#endif

using ByteVec = int8_t __attribute__((vector_size(kLanes * 4)));
using UnalignedByteVec __attribute__((aligned(1), may_alias)) = ByteVec;
static_assert(alignof(UnalignedByteVec) == 1);

inline ByteVec load_row(const std::byte* p) { return *reinterpret_cast<const UnalignedByteVec*>(p); }

// Four neighbouring bytes in every 32-bit lane.
inline ByteVec broadcast_quad(const uint8_t* p) {
  int32_t quad;
  std::memcpy(&quad, p, sizeof(quad));
  return reinterpret_cast<ByteVec>(IntVec{} + quad);
}

inline void add_quads_one_by_one(IntVec& sums, ByteVec x, ByteVec w) {
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 4 * lane; i < 4 * lane + 4; ++i) sums[lane] += static_cast<uint8_t>(x[i]) * w[i];
}

// sums += x . w in every lane; elements of x are u8 up to kMostQuadValue.
inline void add_quads(IntVec& sums, ByteVec x, ByteVec w) {
#if ZS_MULTIPLIES_QUADS && defined(ZS_EMULATED)
  add_quads_one_by_one(sums, x, w);
#elif ZS_MULTIPLIES_QUADS && defined(__aarch64__)
  sums = reinterpret_cast<IntVec>(vusdotq_s32(
      reinterpret_cast<int32x4_t>(sums), reinterpret_cast<uint8x16_t>(x), reinterpret_cast<int8x16_t>(w)));
#elif ZS_MULTIPLIES_QUADS && ZS_LANES == 16  // by no intrinsic: GCC 12 copies the sums before
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(x), "v"(w));
#elif ZS_MULTIPLIES_QUADS
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(x), "x"(w));
#elif ZS_LANES == 16
  const __m512i pairs = _mm512_maddubs_epi16(reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(w));
  sums += reinterpret_cast<IntVec>(_mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#elif ZS_LANES == 8
  const __m256i pairs = _mm256_maddubs_epi16(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(w));
  sums += reinterpret_cast<IntVec>(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#elif defined(__SSE2__)
  const __m128i a = reinterpret_cast<__m128i>(x), b = reinterpret_cast<__m128i>(w);
  const __m128i wide = _mm_unpacklo_epi8(a, _mm_setzero_si128());  // of a broadcast both halves are the same
  const __m128i low = _mm_madd_epi16(wide, _mm_srai_epi16(_mm_unpacklo_epi8(b, b), 8));
  const __m128i high = _mm_madd_epi16(wide, _mm_srai_epi16(_mm_unpackhi_epi8(b, b), 8));
  const __m128 even = _mm_shuffle_ps(_mm_castsi128_ps(low), _mm_castsi128_ps(high), 0x88);
  const __m128 odd = _mm_shuffle_ps(_mm_castsi128_ps(low), _mm_castsi128_ps(high), 0xdd);
  sums += reinterpret_cast<IntVec>(_mm_add_epi32(_mm_castps_si128(even), _mm_castps_si128(odd)));
#elif defined(__aarch64__)
  const int8x16_t a = reinterpret_cast<int8x16_t>(x), b = reinterpret_cast<int8x16_t>(w);
#if defined(__ARM_FEATURE_DOTPROD)
  sums = reinterpret_cast<IntVec>(vdotq_s32(reinterpret_cast<int32x4_t>(sums), a, b));
#else
  const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
  sums = reinterpret_cast<IntVec>(vpadalq_s16(reinterpret_cast<int32x4_t>(sums), vpaddq_s16(low, high)));
#endif
#else
  add_quads_one_by_one(sums, x, w);
#endif
}

// Sums of two neighbouring products of a u8 by an s8, where they lie within 16 bits.
inline ShortVec multiply_bytes(ByteVec x, ByteVec w) {
#if ZS_LANES == 16
  return reinterpret_cast<ShortVec>(
      _mm512_maddubs_epi16(reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(w)));
#elif ZS_LANES == 8
  return reinterpret_cast<ShortVec>(
      _mm256_maddubs_epi16(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(w)));
#else
  ShortVec sums;
  for (int i = 0; i < kShorts; ++i)
    sums[i] = static_cast<int16_t>(static_cast<uint8_t>(x[2 * i]) * w[2 * i] +
                                   static_cast<uint8_t>(x[2 * i + 1]) * w[2 * i + 1]);
  return sums;
#endif
}

// The u8 of even (or odd) number, in 16 bits.
inline ShortVec even_bytes(ByteVec x) { return reinterpret_cast<ShortVec>(x) & int16_t{255}; }
inline ShortVec odd_bytes(ByteVec x) {
  using UnsignedShorts = uint16_t __attribute__((vector_size(sizeof(ShortVec))));
  return reinterpret_cast<ShortVec>(reinterpret_cast<UnsignedShorts>(x) >> 8);
}

// Byte or 16-bit elements of the low (or high) halves of every 16 bytes, taken from a and b in turn.
#if ZS_LANES == 16
#define ZS_INTERLEAVE(half, bits) \
  reinterpret_cast<ByteVec>(      \
      _mm512_unpack##half##_epi##bits(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)))
#elif ZS_LANES == 8
#define ZS_INTERLEAVE(half, bits) \
  reinterpret_cast<ByteVec>(      \
      _mm256_unpack##half##_epi##bits(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)))
#elif defined(__SSE2__)
#define ZS_INTERLEAVE(half, bits) \
  reinterpret_cast<ByteVec>(      \
      _mm_unpack##half##_epi##bits(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)))
#endif
#ifdef ZS_INTERLEAVE
inline ByteVec interleave_low8(ByteVec a, ByteVec b) { return ZS_INTERLEAVE(lo, 8); }
inline ByteVec interleave_high8(ByteVec a, ByteVec b) { return ZS_INTERLEAVE(hi, 8); }
inline ByteVec interleave_low16(ByteVec a, ByteVec b) { return ZS_INTERLEAVE(lo, 16); }
inline ByteVec interleave_high16(ByteVec a, ByteVec b) { return ZS_INTERLEAVE(hi, 16); }
#undef ZS_INTERLEAVE
#else
inline ByteVec interleave_low8(ByteVec a, ByteVec b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
inline ByteVec interleave_high8(ByteVec a, ByteVec b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
inline ByteVec interleave_low16(ByteVec a, ByteVec b) {
  return __builtin_shufflevector(a, b, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
}
inline ByteVec interleave_high16(ByteVec a, ByteVec b) {
  return __builtin_shufflevector(a, b, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
}
#endif

// Four rows of kQuadOutputs bytes, so interleaved that each lane holds one output's four. offset_of(i) is that of a row in
// bytes.
struct QuadRows {
  ByteVec parts[4];
};
template <typename OffsetOf>
inline QuadRows interleave_rows(const std::byte* rows, const OffsetOf& offset_of) {
  ByteVec a = load_row(rows + offset_of(0)), b = load_row(rows + offset_of(1));
  ByteVec c = load_row(rows + offset_of(2)), d = load_row(rows + offset_of(3));
  ZS_PIN(a);  // or each of the two that use it loads it again
  ZS_PIN(b);
  ZS_PIN(c);
  ZS_PIN(d);
  const ByteVec low_ab = interleave_low8(a, b), high_ab = interleave_high8(a, b);
  const ByteVec low_cd = interleave_low8(c, d), high_cd = interleave_high8(c, d);
  return {{interleave_low16(low_ab, low_cd), interleave_high16(low_ab, low_cd),
           interleave_low16(high_ab, high_cd), interleave_high16(high_ab, high_cd)}};
}

// Sums of the parts of QuadRows, in the order of outputs.
inline void order_outputs(IntVec (&sums)[4]) {
#if ZS_LANES == 16
  const auto part = [&](int i) { return reinterpret_cast<__m512i>(sums[i]); };
  const __m512i even01 = _mm512_maskz_shuffle_i32x4(0xffff, part(0), part(1), 0x88),
                even23 = _mm512_maskz_shuffle_i32x4(0xffff, part(2), part(3), 0x88),
                odd01 = _mm512_maskz_shuffle_i32x4(0xffff, part(0), part(1), 0xdd),
                odd23 = _mm512_maskz_shuffle_i32x4(0xffff, part(2), part(3), 0xdd);
  sums[0] = reinterpret_cast<IntVec>(_mm512_maskz_shuffle_i32x4(0xffff, even01, even23, 0x88));
  sums[1] = reinterpret_cast<IntVec>(_mm512_maskz_shuffle_i32x4(0xffff, odd01, odd23, 0x88));
  sums[2] = reinterpret_cast<IntVec>(_mm512_maskz_shuffle_i32x4(0xffff, even01, even23, 0xdd));
  sums[3] = reinterpret_cast<IntVec>(_mm512_maskz_shuffle_i32x4(0xffff, odd01, odd23, 0xdd));
#elif ZS_LANES == 8
  const __m256i a = reinterpret_cast<__m256i>(sums[0]), b = reinterpret_cast<__m256i>(sums[1]),
                c = reinterpret_cast<__m256i>(sums[2]), d = reinterpret_cast<__m256i>(sums[3]);
  sums[0] = reinterpret_cast<IntVec>(_mm256_permute2x128_si256(a, b, 0x20));
  sums[1] = reinterpret_cast<IntVec>(_mm256_permute2x128_si256(c, d, 0x20));
  sums[2] = reinterpret_cast<IntVec>(_mm256_permute2x128_si256(a, b, 0x31));
  sums[3] = reinterpret_cast<IntVec>(_mm256_permute2x128_si256(c, d, 0x31));
#else
  static_cast<void>(sums);
#endif
}

}  // namespace zeroskip::ZS_ISA
