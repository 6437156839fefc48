// Orders the quads of a tap by what their products reach, as QuadOrderHeader says.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/qconv/qconv.h"

namespace zeroskip {

// What sums of two neighbouring products of a quad reach at most, in units of the largest activation, 255: for each of 16
// outputs and each half of the quad upwards, then downwards.
using QuadReach = std::array<int16_t, 64>;
inline constexpr int kMostReach = 128;  // 255 * 128 < 2^15

// `rows`: of the tap's first channel, of a slab; channels from `channels` on have no weights.
inline QuadReach reach_of_quad(const int8_t* rows, int64_t channels, int64_t first) {
  QuadReach reach{};
  for (int64_t c = first; c < std::min(first + 4, channels); ++c) {
    int16_t* half = reach.data() + (c - first) / 2 * 16;
    for (int o = 0; o < 16; ++o) {
      const int16_t weight = rows[c * kSlabRowBytes + o];
      half[o] = static_cast<int16_t>(half[o] + std::max<int16_t>(weight, 0));
      half[32 + o] = static_cast<int16_t>(half[32 + o] - std::min<int16_t>(weight, 0));
    }
  }
  return reach;
}

inline bool fit_together(const QuadReach& a, const QuadReach& b) {
  int most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, a[i] + b[i]);
  return most <= kMostReach;
}

// Writes the order of a block's quads, quad_order_bytes(quads): each, the largest first, is coupled with the smallest that
// it fits together with, if one of the kMostTried smallest does.
inline constexpr size_t kMostTried = 64;
inline void order_quads(const int8_t* rows, int64_t channels, std::byte* order) {
  struct Quad {
    QuadReach reach;
    int16_t most;
    uint16_t channel;
  };
  std::vector<Quad> narrow;
  std::vector<uint16_t> twos, ones, wide;
  for (int64_t c = 0; c < channels; c += 4) {
    const QuadReach reach = reach_of_quad(rows, channels, c);
    const int16_t most = *std::max_element(reach.begin(), reach.end());
    if (most > kMostReach)
      wide.push_back(static_cast<uint16_t>(c));
    else
      narrow.push_back({reach, most, static_cast<uint16_t>(c)});
  }
  std::vector<const Quad*> left;
  for (const Quad& quad : narrow) left.push_back(&quad);
  std::stable_sort(left.begin(), left.end(), [](const Quad* a, const Quad* b) { return a->most < b->most; });
  while (!left.empty()) {
    const Quad& largest = *left.back();
    left.pop_back();
    const auto last = left.begin() + static_cast<std::ptrdiff_t>(std::min(kMostTried, left.size()));
    const auto other = std::find_if(
        left.begin(), last, [&](const Quad* quad) { return fit_together(largest.reach, quad->reach); });
    if (other == last) {
      ones.push_back(largest.channel);
      continue;
    }
    twos.insert(twos.end(), {largest.channel, (*other)->channel});
    left.erase(other);
  }
  const QuadOrderHeader header{static_cast<uint16_t>(twos.size() / 2), static_cast<uint16_t>(ones.size()),
                               static_cast<uint16_t>(wide.size()), 0};
  std::memcpy(order, &header, sizeof(header));
  order += sizeof(header);
  for (const std::vector<uint16_t>* part : {&twos, &ones, &wide}) {
    const size_t bytes = part->size() * sizeof(uint16_t);
    if (bytes > 0) std::memcpy(order, part->data(), bytes);
    order += bytes;
  }
}

}  // namespace zeroskip
