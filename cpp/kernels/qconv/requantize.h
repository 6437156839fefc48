// The epilogue of u8 convolutions, on a block of 16 sums in registers.
#pragma once

#include "kernels/common/quad_simd.h"
#include "kernels/qconv/qconv.h"

namespace zeroskip::ZS_ISA {

// y[i] = saturate(ints[i] + zero_points[i]) for one block.
inline void store_block(const IntVec (&ints)[kVectorsPerBlock], const int16_t* zero_points, uint8_t* y) {
#if ZS_LANES == 16
  const __m256i zeros = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(zero_points));
  const __m256i shorts =
      _mm256_adds_epi16(_mm512_maskz_cvtsepi32_epi16(0xffff, reinterpret_cast<__m512i>(ints[0])), zeros);
  const __m256i positive = _mm256_max_epi16(shorts, _mm256_setzero_si256());
  _mm_storeu_si128(reinterpret_cast<__m128i*>(y), _mm256_maskz_cvtusepi16_epi8(0xffff, positive));
#elif ZS_LANES == 8
  const __m256i packed =
      _mm256_packs_epi32(reinterpret_cast<__m256i>(ints[0]), reinterpret_cast<__m256i>(ints[1]));
  const __m256i zeros = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(zero_points));
  const __m256i shorts = _mm256_adds_epi16(_mm256_permute4x64_epi64(packed, 0xd8), zeros);
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(shorts), _mm256_extracti128_si256(shorts, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(y), bytes);
#else
  for (int i = 0; i < 16; ++i) {
    const int32_t value = ints[i / kLanes][i % kLanes] + zero_points[i];
    y[i] = static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
  }
#endif
}

// Products are pinned before they are added: contracted to an FMA they would differ between instruction sets.
inline void requantize_block(const IntVec (&sums)[kVectorsPerBlock], const RequantizeArgs& args,
                             int64_t pixel, int64_t channel) {
  IntVec ints[kVectorsPerBlock];
#pragma GCC unroll 4
  for (int i = 0; i < kVectorsPerBlock; ++i) {
    const int64_t at = channel + i * kLanes;
    Vec value = to_floats(sums[i]) * load(args.multipliers + at);
    ZS_PIN(value);
    if (args.residual) {
      if (args.rounds_sum) {
        value = round_half_even(min(max(value, args.sum_min - Vec{}), args.sum_max - Vec{})) * args.sum_scale;
        ZS_PIN(value);
      }
      Vec other =
          to_floats(widen_to_ints(args.residual + pixel * args.residual_stride + at)) - args.residual_zero;
      ZS_PIN(other);
      other *= args.residual_scale;
      ZS_PIN(other);
      value += other;
    }
    if (args.thresholds) value = fatrelu(value, load(args.thresholds + at));
    value = min(value, args.max_value - Vec{});
#if ZS_LANES < 8
    value = max(value, Vec{} - 32767.0f);
#endif
    ints[i] = to_ints(value);
  }
  store_block(ints, args.zero_points + channel, args.y + pixel * args.y_stride + channel);
}

// Sums of quads, of outputs from `column` of a slab on, those that lie in its `blocks` of kQuadOutputs.
inline void finish_quads(IntVec (&sums)[4], const int32_t* bias, int64_t blocks,
                         const RequantizeArgs& epilogue, int64_t pixel, int64_t column) {
  order_outputs(sums);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) sums[i] += load_ints(bias + column + i * kLanes);
#pragma GCC unroll 4
  for (int block = 0; block < kQuadOutputs / 16; ++block) {
    if (column / 16 + block >= blocks) return;
    IntVec part[kVectorsPerBlock];
#pragma GCC unroll 4
    for (int i = 0; i < kVectorsPerBlock; ++i) part[i] = sums[block * kVectorsPerBlock + i];
    requantize_block(part, epilogue, pixel, column + block * 16);
  }
}

}  // namespace zeroskip::ZS_ISA
