// How operators cut a range of equal items (pixels, rows, images) into parallel tasks.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/tensor.h"

namespace zeroskip {

struct Split {
  int64_t total;
  int64_t size;  // items in every task but the last

  int64_t tasks() const { return ceil_div(total, size); }
  int64_t begin(int64_t task) const { return task * size; }
  int64_t count(int64_t task) const { return std::min(size, total - begin(task)); }
};

// Below this many values a task costs less than waking a thread for it (a few microseconds).
inline constexpr int64_t kMinTaskElements = 8192;

// Tasks of at least kMinTaskElements values (`item_elements` read or written per item), and no more of them
// than dynamic scheduling needs to even out the threads.
inline Split split_items(int64_t total, int64_t item_elements, int num_threads) {
  const int64_t worth_a_task = ceil_div(kMinTaskElements, std::max<int64_t>(1, item_elements));
  const int64_t fair_share = ceil_div(total, int64_t{8} * num_threads);
  return {total, std::max<int64_t>({1, worth_a_task, fair_share})};
}

}  // namespace zeroskip
