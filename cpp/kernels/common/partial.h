// Vectors of which only some lanes exist, at the end of a row that is read and written exactly.
#pragma once

#include "kernels/common/simd.h"

namespace zeroskip::ZS_ISA {

// The first `count` <= kLanes values; the other lanes are `fill`.
inline Vec load_some(const float* p, int64_t count, float fill) {
  if (count == kLanes) return load(p);
  Vec v = broadcast(fill);
  std::memcpy(&v, p, static_cast<size_t>(count) * sizeof(float));
  return v;
}

inline void store_some(float* p, Vec v, int64_t count) {
  if (count == kLanes) return store(p, v);
  std::memcpy(p, &v, static_cast<size_t>(count) * sizeof(float));
}

inline int64_t lanes_left(int64_t left) { return left < kLanes ? left : kLanes; }

}  // namespace zeroskip::ZS_ISA
