// The one-dimensional transforms for the points 0, +-kA, +-kB and infinity. Rows of the matrices that belong
// to a pair of points differ only in sign, so each pair is computed as even part +- odd part.
#pragma once

#include "kernels/common/simd.h"
#include "kernels/winograd/winograd.h"

namespace zeroskip::ZS_ISA {

inline constexpr float kA = 0.75f, kB = 1.5f;
inline constexpr float kA2 = kA * kA, kB2 = kB * kB;
inline constexpr float kA3 = kA2 * kA, kB3 = kB2 * kB;

// v = B' d: row p of B' holds the coefficients of the product of (x - q) over all other finite points q.
inline void transform_input(const Vec* d, Vec* v) {
  const Vec even_a = d[4] - kB2 * d[2], odd_a = d[3] - kB2 * d[1];
  const Vec even_b = d[4] - kA2 * d[2], odd_b = d[3] - kA2 * d[1];
  v[0] = d[4] - (kA2 + kB2) * d[2] + (kA2 * kB2) * d[0];
  v[1] = even_a + kA * odd_a;
  v[2] = even_a - kA * odd_a;
  v[3] = even_b + kB * odd_b;
  v[4] = even_b - kB * odd_b;
  v[5] = d[5] - (kA2 + kB2) * d[3] + (kA2 * kB2) * d[1];
}

// y = A' m: powers of the points; at infinity the highest alone.
template <int kOutputs>
inline void transform_output(const Vec* m, Vec* y) {
  static_assert(kOutputs == 3 || kOutputs == 4);
  const Vec sum_a = m[1] + m[2], difference_a = m[1] - m[2];
  const Vec sum_b = m[3] + m[4], difference_b = m[3] - m[4];
  y[0] = m[0] + sum_a + sum_b;
  y[1] = kA * difference_a + kB * difference_b;
  y[2] = kA2 * sum_a + kB2 * sum_b;
  if constexpr (kOutputs == 4) y[3] = kA3 * difference_a + kB3 * difference_b;
  y[kOutputs - 1] += m[5];
}

// u = G g: values at the points, over the products of their distances from the other points.
template <int kTaps>
inline void transform_weights(const Vec* g, Vec* u) {
  static_assert(kTaps == 3 || kTaps == 4);
  constexpr float kAtZero = 1.0f / (kA2 * kB2);
  constexpr float kAtA = 1.0f / (2.0f * kA2 * (kA2 - kB2)), kAtB = 1.0f / (2.0f * kB2 * (kB2 - kA2));
  const Vec even_a = g[0] + kA2 * g[2], even_b = g[0] + kB2 * g[2];
  Vec odd_a = kA * g[1], odd_b = kB * g[1];
  if constexpr (kTaps == 4) odd_a += kA3 * g[3], odd_b += kB3 * g[3];
  u[0] = kAtZero * g[0];
  u[1] = kAtA * (even_a + odd_a);
  u[2] = kAtA * (even_a - odd_a);
  u[3] = kAtB * (even_b + odd_b);
  u[4] = kAtB * (even_b - odd_b);
  u[5] = g[kTaps - 1];
}

}  // namespace zeroskip::ZS_ISA
