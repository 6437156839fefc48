// Lists of the non-zeros of two pixels, and what decides whether to make them.
#include <bit>

#include "kernels/bconv/bconv.h"
#include "kernels/common/compress.h"

namespace zeroskip::ZS_ISA {
namespace {

constexpr int64_t kGroups = kMostBf16Span / 8;

// A bit for every channel that is not zero, eight to a byte.
struct NonzeroBits {
  uint8_t bytes[kGroups] = {};

  void read(const Bf16* x, int64_t channels) {
    int64_t c = 0;
    for (; c + 8 <= channels; c += 8)
      bytes[c / 8] = static_cast<uint8_t>(nonzero_elements(load_eight(x + c) << 1));  // -0 is a zero
    for (; c < channels; ++c)
      bytes[c / 8] = static_cast<uint8_t>(bytes[c / 8] | ((x[c].bits & 0x7fff) != 0) << c % 8);
  }
};

inline Shorts8 offsets_from(int64_t channel) {
  const auto row = static_cast<int16_t>(kBf16RowBytes);
  return Shorts8{0, 1, 2, 3, 4, 5, 6, 7} * row + static_cast<int16_t>(channel * kBf16RowBytes);
}

// The values of channels [c, c + 8), of which some may not exist.
inline Shorts8 values_from(const Bf16* x, int64_t c, int64_t channels) {
  if (c + 8 <= channels) return load_eight(x + c);
  Shorts8 values{};
  std::memcpy(&values, x + c, static_cast<size_t>(channels - c) * sizeof(Bf16));
  return values;
}

// Writes what elements(c) gives for the channels whose bit is set, an even number of them, zero after the last.
// What is written beyond that belongs to nobody yet.
template <typename Elements>
inline uint16_t* append(const uint8_t (&bits)[kGroups], int64_t channels, uint16_t* to,
                        const Elements& elements) {
  int64_t count = 0;
  for (int64_t c = 0; c < channels; c += 8) {
    store_compressed(elements(c), bits[c / 8], to + count);
    count += std::popcount(bits[c / 8]);
  }
  to[count] = 0;
  return to + count + count % 2;
}

}  // namespace

void bf16_list_pair(const ListPairArgs& args) {
  NonzeroBits first, second;
  if (args.first) first.read(args.first, args.channels);
  if (args.second) second.read(args.second, args.channels);
  uint8_t both[kGroups], only_first[kGroups], only_second[kGroups];
  for (int64_t i = 0; i < kGroups; ++i) {
    both[i] = first.bytes[i] & second.bytes[i];
    only_first[i] = static_cast<uint8_t>(first.bytes[i] & ~second.bytes[i]);
    only_second[i] = static_cast<uint8_t>(second.bytes[i] & ~first.bytes[i]);
  }
  auto* header = reinterpret_cast<PairHeader*>(args.record);
  auto* begin = reinterpret_cast<uint16_t*>(header + 1);
  const auto first_values = [&](int64_t c) { return values_from(args.first, c, args.channels); };
  const auto second_values = [&](int64_t c) { return values_from(args.second, c, args.channels); };
  uint16_t* end = begin;
  if (args.first && args.second) {
    end = append(both, args.channels, begin, offsets_from);
    header->both = static_cast<int32_t>((end - begin) / 2);
    end = append(both, args.channels, end, first_values);
    end = append(both, args.channels, end, second_values);
  } else {
    header->both = 0;
  }
  header->first = header->second = 0;
  if (args.first) {
    begin = end, end = append(only_first, args.channels, begin, offsets_from);
    header->first = static_cast<int32_t>((end - begin) / 2);
    end = append(only_first, args.channels, end, first_values);
  }
  if (args.second) {
    begin = end, end = append(only_second, args.channels, begin, offsets_from);
    header->second = static_cast<int32_t>((end - begin) / 2);
    append(only_second, args.channels, end, second_values);
  }
}

int64_t bf16_count_values(const Bf16* x, int64_t pixels, int64_t channels, int64_t stride) {
  int64_t count = 0;
  for (int64_t pixel = 0; pixel < pixels; ++pixel, x += stride) {
    int64_t c = 0;
    for (; c < channels; ++c) count += (x[c].bits & 0x7fff) != 0;
  }
  return count;
}

}  // namespace zeroskip::ZS_ISA
