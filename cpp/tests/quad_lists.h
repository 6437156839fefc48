// Reads the lists that u8_list_quads writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "kernels/qconv/qconv.h"

namespace zeroskip::testing {

struct ListedRows {
  std::vector<int32_t> sums[2];  // of the entries of a pixel, by row
  int64_t entries[2] = {0, 0};   // that are not zero
};

inline ListedRows read_list(const std::byte* record, int64_t rows) {
  ListedRows found;
  for (auto& sums : found.sums) sums.resize(static_cast<size_t>(rows));
  const auto header = *reinterpret_cast<const QuadListHeader*>(record);
  const std::byte* at = record + sizeof(QuadListHeader);
  const auto read_part = [&](int64_t steps, std::initializer_list<int> which) {
    const auto* offsets = reinterpret_cast<const uint16_t*>(at);
    at += 8 * steps + kQuadListSlack;
    for (const int pixel : which) {
      for (int64_t i = 0; i < 4 * steps; ++i) {
        found.sums[pixel][offsets[i] / (kSlabRowBytes / kOffsetBytes)] += static_cast<int>(at[i]);
        found.entries[pixel] += at[i] != std::byte{0};
      }
      at += 4 * steps + kQuadListSlack;
    }
  };
  read_part(header.both, {0, 1});
  read_part(header.first, {0});
  read_part(header.second, {1});
  return found;
}

}  // namespace zeroskip::testing
