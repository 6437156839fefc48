// Lists of non-zeros, and what decides whether to make them. Eight channels at a time are compressed by a table that
// holds, for every pattern of non-zeros, the bytes to move.
#include <array>
#include <bit>

#include "kernels/common/int_simd.h"
#include "kernels/qconv/qconv.h"

namespace zeroskip::ZS_ISA {
namespace {

#if defined(__SSSE3__) || defined(__aarch64__)
#define ZS_HAS_BYTE_SHUFFLE 1

using Pattern = std::array<uint8_t, 16>;

// For every byte of bits, the 16-bit elements whose bit is set, moved to the front.
constexpr std::array<Pattern, 256> kPatterns = [] {
  std::array<Pattern, 256> patterns{};
  for (unsigned bits = 0; bits < 256; ++bits) {
    unsigned next = 0;
    for (uint8_t element = 0; element < 8; ++element)
      if (bits >> element & 1) {
        patterns[bits][2 * next] = static_cast<uint8_t>(2 * element);
        patterns[bits][2 * next + 1] = static_cast<uint8_t>(2 * element + 1);
        ++next;
      }
  }
  return patterns;
}();

using Shorts8 = int16_t __attribute__((vector_size(16)));

inline void store_compressed(Shorts8 elements, unsigned bits, void* to) {
#if defined(__aarch64__)
  const uint8x16_t moved =
      vqtbl1q_u8(reinterpret_cast<uint8x16_t>(elements), vld1q_u8(kPatterns[bits].data()));
  std::memcpy(to, &moved, sizeof(moved));
#else
  const __m128i pattern = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kPatterns[bits].data()));
  const __m128i moved = _mm_shuffle_epi8(reinterpret_cast<__m128i>(elements), pattern);
  _mm_storeu_si128(static_cast<__m128i*>(to), moved);
#endif
}

// Bit i = element i is not zero.
inline unsigned nonzero_elements(Shorts8 elements) {
#if defined(__aarch64__)
  const uint16x8_t bits =
      vtstq_s16(reinterpret_cast<int16x8_t>(elements), reinterpret_cast<int16x8_t>(elements));
  return vaddvq_u16(vandq_u16(bits, uint16x8_t{1, 2, 4, 8, 16, 32, 64, 128}));
#else
  const __m128i is_zero = _mm_cmpeq_epi16(reinterpret_cast<__m128i>(elements), _mm_setzero_si128());
  return ~static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(is_zero, is_zero))) & 0xff;
#endif
}

// Adds the non-zeros among the first `channels` of whole groups of eight. Returns how many there are.
inline int64_t list_groups(const ListSpanArgs& args, int64_t channels, int16_t* values, uint16_t* offsets) {
  const auto step = static_cast<int16_t>(args.row_bytes / kOffsetBytes);
  Shorts8 at = Shorts8{0, 1, 2, 3, 4, 5, 6, 7} * step;
  const auto zero = static_cast<int16_t>(args.zero_point);
  int64_t count = 0;
  for (int64_t c = 0; c < channels; c += 8, at += static_cast<int16_t>(8 * step)) {
    using Bytes = uint8_t __attribute__((vector_size(8)));
    Bytes bytes;
    std::memcpy(&bytes, args.x + c, sizeof(bytes));
    const Shorts8 elements = __builtin_convertvector(bytes, Shorts8) - zero;
    const unsigned bits = nonzero_elements(elements);
    store_compressed(elements, bits, values + count);
    store_compressed(at, bits, offsets + count);
    count += std::popcount(bits);
  }
  return count;
}
#endif

}  // namespace

void u8_list_span(const ListSpanArgs& args) {
  auto* values = reinterpret_cast<int16_t*>(args.record + sizeof(SpanHeader));
  auto* offsets = reinterpret_cast<uint16_t*>(values + args.capacity);
  int64_t count = 0, c = 0;
#ifdef ZS_HAS_BYTE_SHUFFLE
  c = args.channels / 8 * 8;
  count = list_groups(args, c, values, offsets);
#endif
  for (; c < args.channels; ++c) {
    values[count] = static_cast<int16_t>(args.x[c] - args.zero_point);
    offsets[count] = static_cast<uint16_t>(c * args.row_bytes / kOffsetBytes);
    count += args.x[c] != args.zero_point;
  }
  values[count] = 0, offsets[count] = 0;
  reinterpret_cast<SpanHeader*>(args.record)->steps = static_cast<int32_t>((count + 1) / 2);
}

int64_t u8_count_nonzero(const uint8_t* x, int64_t pixels, int64_t channels, int64_t stride,
                         uint8_t zero_point) {
  int64_t zeros = 0;
  for (int64_t pixel = 0; pixel < pixels; ++pixel, x += stride) {
    int64_t c = 0;
#if defined(__SSE2__)
    const __m128i zero = _mm_set1_epi8(static_cast<char>(zero_point));
    __m128i sums = _mm_setzero_si128();
    for (; c + 16 <= channels; c += 16) {
      const __m128i is_zero = _mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + c)), zero);
      sums =
          _mm_add_epi64(sums, _mm_sad_epu8(_mm_sub_epi8(_mm_setzero_si128(), is_zero), _mm_setzero_si128()));
    }
    zeros += _mm_cvtsi128_si32(sums) + _mm_cvtsi128_si32(_mm_srli_si128(sums, 8));
#endif
    for (; c < channels; ++c) zeros += x[c] == zero_point;
  }
  return pixels * channels - zeros;
}

}  // namespace zeroskip::ZS_ISA
