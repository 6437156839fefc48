// Orders of quads, and weights expanded in them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/qconv/quad_order.h"

namespace zeroskip::testing {

inline std::vector<int8_t> clamped(std::vector<int8_t> weights, int most) {
  for (int8_t& weight : weights) weight = static_cast<int8_t>(std::clamp<int>(weight, -most, most));
  return weights;
}

// Of the taps of a block: weights [tap][channel][64].
struct OrderedWeights {
  OrderedWeights(ExpandOrderedFn expand, const int8_t* from, int64_t taps, int64_t channels)
      : order_bytes(quad_order_bytes((channels + 3) / 4)),
        orders(static_cast<size_t>(taps * order_bytes)),
        weights(static_cast<size_t>(taps * ordered_weight_bytes((channels + 3) / 4 * 4))) {
    std::byte* to = weights.data();
    for (int64_t tap = 0; tap < taps; ++tap, from += channels * 64) {
      std::byte* order = orders.data() + tap * order_bytes;
      order_quads(from, channels, order);
      to = expand({channels, order, from, to});
    }
  }
  int64_t order_bytes;
  std::vector<std::byte> orders, weights;
};

// Whether every quad is where its order says, and sums of couples and of narrow quads lie within 16 bits.
inline bool is_ordered(const std::byte* order, const std::byte* got, const std::vector<int8_t>& from,
                       int64_t channels) {
  const auto header = *reinterpret_cast<const QuadOrderHeader*>(order);
  const auto* first = reinterpret_cast<const uint16_t*>(order + sizeof(header));
  const int64_t narrow = 2 * header.twos + header.ones, quads = narrow + header.wide;
  const auto weight = [&](int64_t c, int64_t o) {
    return c < channels ? int{from[static_cast<size_t>(c * 64 + o)]} : 0;
  };
  const auto widest = [&](int64_t c, int64_t o, bool is_up) {  // of a pair's two weights
    const int a = is_up ? weight(c, o) : -weight(c, o), b = is_up ? weight(c + 1, o) : -weight(c + 1, o);
    return std::max(a, 0) + std::max(b, 0);
  };
  bool is_right = quads == (channels + 3) / 4;
  std::vector<int> seen(static_cast<size_t>(quads));
  for (int64_t q = 0; q < quads; ++q) {
    const int64_t c = first[q], couple = q < 2 * header.twos ? first[q ^ 1] : channels;
    ++seen[static_cast<size_t>(c / 4)];
    for (int64_t i = 0; i < 64; ++i) {
      const int64_t o = i / 4, inner = i % 4;
      if (q < narrow) {
        const int reach =
            std::max(widest(c + inner / 2 * 2, o, true) + widest(couple + inner / 2 * 2, o, true),
                     widest(c + inner / 2 * 2, o, false) + widest(couple + inner / 2 * 2, o, false));
        is_right = is_right && reach <= 128 && static_cast<int8_t>(got[64 * q + i]) == weight(c + inner, o);
        continue;
      }
      const auto* wide = reinterpret_cast<const int16_t*>(got + 64 * narrow + 128 * (q - narrow));
      is_right = is_right && wide[i % 2 * 32 + i / 2 % 2 + o * 2] == weight(c + inner, o);
    }
  }
  return is_right && std::count(seen.begin(), seen.end(), 1) == quads;
}

}  // namespace zeroskip::testing
