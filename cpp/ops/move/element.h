// Elements of any type, as bytes: moving them, and filling padding with one value.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/types.h"

namespace zeroskip {

struct Element {
  std::byte bytes[4] = {};
  int64_t size = 0;
};

// A number as an element of `type`. Throws Error where the type cannot hold it exactly.
Element make_element(double value, DataType type);

// Copies `count` elements of `size` bytes, which lie `from_step` and `to_step` elements apart.
void copy_elements(const std::byte* from, int64_t from_step, std::byte* to, int64_t to_step, int64_t count,
                   int64_t size);

// Sets `count` elements.
void fill_elements(std::byte* to, int64_t count, const Element& element);

}  // namespace zeroskip
