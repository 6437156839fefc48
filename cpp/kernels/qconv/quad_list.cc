// Lists of the non-zeros of pairs of pixels. A first pass over the channels makes bit masks of them, from which the size of
// every part is known; a second one compresses entries to their places, eight channels at a time by a table that holds the
// bytes to move for every pattern of bits.
#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include "kernels/common/quad_simd.h"
#include "kernels/qconv/qconv.h"

namespace zeroskip::ZS_ISA {
namespace {

constexpr int64_t kGroup = 32;  // channels of a mask
constexpr int64_t kMostGroups = kMostListedRows / kGroup + kMostListedSpans;
// Entries beyond the first of a value that is too large for one.
constexpr int kRests = (255 + kMostQuadValue - 1) / kMostQuadValue - 1;

constexpr uint32_t kRowOffset = kSlabRowBytes / kOffsetBytes;  // from one row to the next

constexpr std::array<uint8_t, kGroup> kZeros{};  // an absent pixel's channels

// Bit i = x[i] > least.
inline uint32_t mask_above(const uint8_t* x, uint8_t least) {
#if ZS_LANES == 16
  const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  return _mm256_cmpgt_epu8_mask(values, _mm256_set1_epi8(static_cast<char>(least)));
#elif ZS_LANES >= 8
  const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  const __m256i rest = _mm256_subs_epu8(values, _mm256_set1_epi8(static_cast<char>(least)));
  return ~static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(rest, _mm256_setzero_si256())));
#elif defined(__SSE2__)
  uint32_t mask = 0;
  for (int half = 0; half < 2; ++half) {
    const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + 16 * half));
    const __m128i rest = _mm_subs_epu8(values, _mm_set1_epi8(static_cast<char>(least)));
    const int zeros = _mm_movemask_epi8(_mm_cmpeq_epi8(rest, _mm_setzero_si128()));
    mask |= (~static_cast<uint32_t>(zeros) & 0xffff) << (16 * half);
  }
  return mask;
#elif defined(__aarch64__)
  uint32_t mask = 0;
  const uint8x8_t bits = {1, 2, 4, 8, 16, 32, 64, 128};
  for (int part = 0; part < 4; ++part) {
    const uint8x8_t above = vcgt_u8(vld1_u8(x + 8 * part), vdup_n_u8(least));
    mask |= uint32_t{vaddv_u8(vand_u8(above, bits))} << (8 * part);
  }
  return mask;
#else
  uint32_t mask = 0;
  for (int i = 0; i < kGroup; ++i) mask |= uint32_t{x[i] > least} << i;
  return mask;
#endif
}

#if ZS_COMPRESSES_BYTES
// Offsets of a group's rows from its first one.
constexpr std::array<uint16_t, kGroup> kGroupOffsets = [] {
  std::array<uint16_t, kGroup> offsets{};
  for (uint32_t i = 0; i < kGroup; ++i) offsets[i] = static_cast<uint16_t>(i * kRowOffset);
  return offsets;
}();

// Compressed in a register and stored whole: straight to memory takes ten times as long on Zen 4.
inline void compress_offsets(uint32_t mask, uint16_t first, uint16_t* to) {
  const __m512i offsets = _mm512_add_epi16(_mm512_loadu_si512(kGroupOffsets.data()),
                                           _mm512_set1_epi16(static_cast<int16_t>(first)));
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi16(mask, offsets));
}

inline void compress_values(uint32_t mask, const uint8_t* x, uint8_t* to) {
  const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_maskz_compress_epi8(mask, values));
}
static_assert(kMostQuadValue == 255);
#elif defined(__SSSE3__) || defined(__aarch64__)
#define ZS_HAS_BYTE_SHUFFLE 1
// For every byte of bits: the numbers of those that are set, and the offsets of their rows.
constexpr std::array<std::array<uint8_t, 8>, 256> kSetBits = [] {
  std::array<std::array<uint8_t, 8>, 256> table{};
  for (unsigned bits = 0; bits < 256; ++bits)
    for (unsigned i = 0, next = 0; i < 8; ++i)
      if (bits >> i & 1) table[bits][next++] = static_cast<uint8_t>(i);
  return table;
}();
constexpr std::array<std::array<uint16_t, 8>, 256> kSetOffsets = [] {
  std::array<std::array<uint16_t, 8>, 256> table{};
  for (unsigned bits = 0; bits < 256; ++bits)
    for (unsigned i = 0; i < 8; ++i) table[bits][i] = static_cast<uint16_t>(kSetBits[bits][i] * kRowOffset);
  return table;
}();

using Shorts8 = uint16_t __attribute__((vector_size(16)));

inline void compress_offsets(unsigned bits, uint16_t first, uint16_t* to) {
  Shorts8 offsets;
  std::memcpy(&offsets, kSetOffsets[bits].data(), sizeof(offsets));
  offsets += first;
  std::memcpy(to, &offsets, sizeof(offsets));
}

inline void compress_values(unsigned bits, const uint8_t* x, uint8_t* to) {
#if defined(__aarch64__)
  const uint8x8_t values = vmin_u8(vld1_u8(x), vdup_n_u8(kMostQuadValue));
  vst1_u8(to, vtbl1_u8(values, vld1_u8(kSetBits[bits].data())));
#else
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x));
  const __m128i values = _mm_min_epu8(bytes, _mm_set1_epi8(static_cast<char>(kMostQuadValue)));
  const __m128i order = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kSetBits[bits].data()));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi8(values, order));
#endif
}

inline unsigned take_bits(uint32_t& mask) {
  const unsigned bits = mask & 0xff;
  mask >>= 8;
  return bits;
}
#endif

// A part of a list that is being written.
struct PartWriter {
  uint16_t* offsets;
  uint8_t *values, *others;  // others: the second pixel's, in a part of both
  int64_t count = 0;

  PartWriter(std::byte* at, int64_t steps)
      : offsets(reinterpret_cast<uint16_t*>(at)),
        values(reinterpret_cast<uint8_t*>(at + 8 * steps + kQuadListSlack)),
        others(values + 4 * steps + kQuadListSlack) {}

  // Entries of the channels x, and in a part of both y, whose bits are set; the first one's row has `offset`.
  template <bool kBoth>
  void add(uint32_t mask, const uint8_t* x, const uint8_t* y, uint32_t offset) {
#if ZS_COMPRESSES_BYTES
    compress_offsets(mask, static_cast<uint16_t>(offset), offsets + count);
    compress_values(mask, x, values + count);
    if constexpr (kBoth) compress_values(mask, y, others + count);
    count += std::popcount(mask);
#elif defined(ZS_HAS_BYTE_SHUFFLE)
#pragma GCC unroll 4
    for (int channel = 0; channel < kGroup; channel += 8) {
      const unsigned bits = take_bits(mask);
      compress_offsets(bits, static_cast<uint16_t>(offset + static_cast<uint32_t>(channel) * kRowOffset),
                       offsets + count);
      compress_values(bits, x + channel, values + count);
      if constexpr (kBoth) compress_values(bits, y + channel, others + count);
      count += std::popcount(bits);
    }
#else
    for (; mask; mask &= mask - 1) {
      const int i = std::countr_zero(mask);
      add_entry<kBoth>(offset + static_cast<uint32_t>(i) * kRowOffset, x[i], kBoth ? y[i] : 0);
    }
#endif
  }

  template <bool kBoth>
  void add_entry(uint32_t offset, int value, int other) {
    offsets[count] = static_cast<uint16_t>(offset);
    values[count] = static_cast<uint8_t>(std::clamp(value, 0, kMostQuadValue));
    if constexpr (kBoth) others[count] = static_cast<uint8_t>(std::clamp(other, 0, kMostQuadValue));
    ++count;
  }

  // Fills up the last step. Returns where the next part begins.
  template <bool kBoth>
  std::byte* finish() {
    std::memset(offsets + count, 0, 3 * sizeof(uint16_t));
    std::memset(values + count, 0, 3);
    if constexpr (kBoth) std::memset(others + count, 0, 3);
    const int64_t steps = (count + 3) / 4;
    return reinterpret_cast<std::byte*>((kBoth ? others : values) + 4 * steps + kQuadListSlack);
  }
};

// Up to kGroup channels of a pair of pixels: bits of the rows that each part of the list has.
struct Group {
  const uint8_t *x, *y;
  uint32_t offset;  // of the first row
  uint32_t both, first, second;
  uint32_t rests[kRests + 1];  // of large values; one more, for an array of none
};

struct GroupList {
  std::array<uint8_t, kGroup> tails[kMostListedSpans][2];  // copies of channels that do not fill a group
  Group groups[kMostGroups];
  int64_t count = 0;
  int64_t both = 0, first = 0, second = 0, rests = 0;  // entries
};

inline void add_group(GroupList& list, const uint8_t* x, const uint8_t* y, uint32_t offset) {
  Group& group = list.groups[list.count++];
  group.x = x, group.y = y, group.offset = offset;
  const uint32_t in_first = mask_above(x, 0), in_second = mask_above(y, 0);
  group.both = in_first & in_second;
  group.first = in_first & ~in_second;
  group.second = in_second & ~in_first;
  list.both += std::popcount(group.both);
  list.first += std::popcount(group.first);
  list.second += std::popcount(group.second);
  for (int rest = 0; rest < kRests; ++rest) {
    const auto taken = static_cast<uint8_t>((rest + 1) * kMostQuadValue);
    group.rests[rest] = mask_above(x, taken) | mask_above(y, taken);
    list.rests += std::popcount(group.rests[rest]);
  }
}

// A pixel's channels of a group. What lies behind the last channels of a user's array must not be read.
inline const uint8_t* group_channels(const uint8_t* pixel, int64_t channel, int64_t count,
                                     std::array<uint8_t, kGroup>& tail) {
  if (!pixel) return kZeros.data();
  if (count == kGroup) return pixel + channel;
  tail = {};
  std::memcpy(tail.data(), pixel + channel, static_cast<size_t>(count));
  return tail.data();
}

inline void scan(const QuadListArgs& args, GroupList& list) {
  uint32_t offset = 0;
  for (int64_t span = 0; span < args.spans; ++span) {
    const uint8_t *x = args.pixels[2 * span], *y = args.pixels[2 * span + 1];
    for (int64_t channel = 0; channel < args.channels; channel += kGroup) {
      const int64_t here = std::min(args.channels - channel, kGroup);
      add_group(list, group_channels(x, channel, here, list.tails[span][0]),
                group_channels(y, channel, here, list.tails[span][1]), offset);
      offset += static_cast<uint32_t>(here) * kRowOffset;
    }
  }
}

// Whether one part for all rows takes less time than parts by pixel: a step for both pixels takes half as long again as
// one for a single pixel (9.9 and 6.3 cycles on Zen 3, November 2026, for 32 of 64 outputs), but two more parts have to
// be made, and two more loops end where it was not foreseen.
inline bool prefers_union(const GroupList& list, const QuadListArgs& args) {
  constexpr double kSaved = 2 * 0.9, kLoops = 2 * 16.0,
                   kPart = 0.35;  // cycles an entry, a visit, a row and part
  const auto visits = static_cast<double>(args.visits);
  return static_cast<double>(list.first + list.second) * kSaved * visits <
         kLoops * visits + 2 * kPart * static_cast<double>(args.spans * args.channels);
}

inline void unite(GroupList& list) {
  for (int64_t i = 0; i < list.count; ++i) {
    Group& group = list.groups[i];
    group.both |= group.first | group.second;
  }
  list.both += list.first + list.second;
  list.first = list.second = 0;
}

// What is left of values after the first `rest` + 1 entries.
inline void add_rests(PartWriter& part, const Group& group, int rest) {
  constexpr int kForeseen = 2;  // most groups have no more: these take no branch that is hard to predict
  const int taken = (rest + 1) * kMostQuadValue;
  const auto add_lowest = [&](uint32_t mask) {
    const int channel = std::countr_zero(mask | uint32_t{1} << (kGroup - 1));
    part.add_entry<true>(group.offset + static_cast<uint32_t>(channel) * kRowOffset, group.x[channel] - taken,
                         group.y[channel] - taken);
    part.count -= mask == 0;
    return mask & (mask - 1);
  };
  uint32_t mask = group.rests[rest];
#pragma GCC unroll 2
  for (int i = 0; i < kForeseen; ++i) mask = add_lowest(mask);
  while (mask) mask = add_lowest(mask);
}

inline std::byte* write_both(const GroupList& list, std::byte* at, int64_t steps) {
  PartWriter part(at, steps);
  for (int64_t i = 0; i < list.count; ++i) {
    const Group& group = list.groups[i];
    part.add<true>(group.both, group.x, group.y, group.offset);
  }
  if (list.rests > 0)
    for (int rest = 0; rest < kRests; ++rest)
      for (int64_t i = 0; i < list.count; ++i) add_rests(part, list.groups[i], rest);
  return part.finish<true>();
}

template <uint32_t Group::* kMask, const uint8_t* Group::* kPixel>
inline std::byte* write_single(const GroupList& list, std::byte* at, int64_t steps) {
  PartWriter part(at, steps);
  if (steps > 0)
    for (int64_t i = 0; i < list.count; ++i) {
      const Group& group = list.groups[i];
      part.add<false>(group.*kMask, group.*kPixel, nullptr, group.offset);
    }
  return part.finish<false>();
}

inline uint16_t steps_of(int64_t entries) { return static_cast<uint16_t>((entries + 3) / 4); }

}  // namespace

std::byte* u8_list_quads(const QuadListArgs& args) {
  GroupList list;
  scan(args, list);
  if (prefers_union(list, args)) unite(list);
  const QuadListHeader header{steps_of(list.both + list.rests), steps_of(list.first), steps_of(list.second),
                              0};
  std::memcpy(args.record, &header, sizeof(header));
  std::byte* at = write_both(list, args.record + sizeof(header), header.both);
  at = write_single<&Group::first, &Group::x>(list, at, header.first);
  at = write_single<&Group::second, &Group::y>(list, at, header.second);
  return args.record + ((at - args.record) + 7) / 8 * 8;
}

int64_t u8_count_entries(const uint8_t* x, int64_t pixels, int64_t channels, int64_t stride,
                         uint8_t zero_point) {
  int64_t entries = 0;
  for (int64_t pixel = 0; pixel < pixels; ++pixel, x += stride) {
    int64_t c = 0;
#if defined(__SSE2__)
    const __m128i zero = _mm_set1_epi8(static_cast<char>(zero_point));
    __m128i sums = _mm_setzero_si128();
    for (; c + 16 <= channels; c += 16) {
      const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + c));
      __m128i counts = _mm_add_epi8(_mm_set1_epi8(1), _mm_cmpeq_epi8(values, zero));
      for (int rest = 0; rest < kRests; ++rest) {
        const __m128i least = _mm_set1_epi8(static_cast<char>((rest + 1) * kMostQuadValue + 1));
        counts = _mm_sub_epi8(counts, _mm_cmpeq_epi8(_mm_max_epu8(values, least), values));
      }
      sums = _mm_add_epi64(sums, _mm_sad_epu8(counts, _mm_setzero_si128()));
    }
    entries += _mm_cvtsi128_si32(sums) + _mm_cvtsi128_si32(_mm_srli_si128(sums, 8));
#endif
    for (; c < channels; ++c)
      entries += (x[c] != zero_point) + (std::max<int64_t>(x[c], 1) - 1) / kMostQuadValue;
  }
  return entries;
}

}  // namespace zeroskip::ZS_ISA
