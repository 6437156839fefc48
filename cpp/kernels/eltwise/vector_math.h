// exp, tanh and erf on vectors, from elementary operations only.
#pragma once

#include "kernels/common/simd.h"

namespace zeroskip::ZS_ISA {

// exp(x), relative error below 3e-7 where the result is normal; underflow gives 0 or nearly so, overflow a
// huge finite value or +inf; NaN propagates.
//
// exp(x) = 2^n * exp(r) with n = round(x / ln 2) and |r| <= ln(2) / 2, where the Taylor sum of degree 7
// suffices.
inline Vec exp(Vec x) {
  // Beyond these bounds 2^n would leave the exponent field. Written so that NaN passes through both.
  x = x < broadcast(-87.3f) ? broadcast(-87.3f) : x;
  x = x > broadcast(88.7f) ? broadcast(88.7f) : x;
  const Vec magic = broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec shifted = x * broadcast(1.44269504f) + magic;
  const Vec n = shifted - magic;
  // ln 2 in two parts, the first exact in few bits, so that n * ln2_high has no rounding error.
  const Vec r = (x - n * broadcast(0.693359375f)) + n * broadcast(2.12194440e-4f);
  Vec sum = broadcast(1.0f / 5040);
  sum = sum * r + broadcast(1.0f / 720);
  sum = sum * r + broadcast(1.0f / 120);
  sum = sum * r + broadcast(1.0f / 24);
  sum = sum * r + broadcast(1.0f / 6);
  sum = sum * r + broadcast(0.5f);
  sum = sum * r + broadcast(1.0f);
  sum = sum * r + broadcast(1.0f);
  // 2^n in two factors: n may be 128, one more than the largest exponent.
  const IntVec integer = reinterpret_cast<IntVec>(shifted) - reinterpret_cast<IntVec>(magic);
  const IntVec half = integer >> 1;
  const IntVec bias = 127 - IntVec{};
  const Vec scale0 = reinterpret_cast<Vec>((half + bias) << 23);
  const Vec scale1 = reinterpret_cast<Vec>((integer - half + bias) << 23);
  return sum * scale0 * scale1;
}

// exp(x) with 0 and +inf where the result leaves the normal range.
inline Vec exp_to_the_ends(Vec x) {
  const Vec inner = exp(x);
  const Vec low = x < broadcast(-87.33f) ? Vec{} : inner;
  return x > broadcast(88.72283f) ? broadcast(__builtin_inff()) : low;
}

inline Vec absolute(Vec x) {
  return reinterpret_cast<Vec>(reinterpret_cast<IntVec>(x) & (0x7fffffff - IntVec{}));
}

inline Vec sigmoid(Vec x) {
  const Vec one = broadcast(1.0f);
  return one / (one + exp(-x));
}

// tanh(x), relative error below 1e-6: an odd Taylor sum near 0, where 1 - 2 / (exp(2x) + 1) would cancel.
inline Vec tanh(Vec x) {
  const Vec one = broadcast(1.0f), two = broadcast(2.0f);
  const Vec far = one - two / (exp(two * x) + one);
  const Vec squared = x * x;
  Vec sum = broadcast(21844.0f / 6081075);
  sum = sum * squared - broadcast(1382.0f / 155925);
  sum = sum * squared + broadcast(62.0f / 2835);
  sum = sum * squared - broadcast(17.0f / 315);
  sum = sum * squared + broadcast(2.0f / 15);
  sum = sum * squared - broadcast(1.0f / 3);
  const Vec near = x + x * squared * sum;
  return squared < broadcast(0.25f) ? near : far;
}

// erf(x), absolute error below 3e-7, relative error below 1e-6 near 0: a Taylor sum for |x| < 1, beyond it
// formula 7.1.26 of Abramowitz and Stegun. NaN propagates.
inline Vec erf(Vec x) {
  const Vec one = broadcast(1.0f), squared = x * x, size = absolute(x);
  Vec sum = broadcast(-1.0f / (19 * 362880));
  sum = sum * squared + broadcast(1.0f / (17 * 40320));
  sum = sum * squared - broadcast(1.0f / (15 * 5040));
  sum = sum * squared + broadcast(1.0f / (13 * 720));
  sum = sum * squared - broadcast(1.0f / (11 * 120));
  sum = sum * squared + broadcast(1.0f / (9 * 24));
  sum = sum * squared - broadcast(1.0f / (7 * 6));
  sum = sum * squared + broadcast(1.0f / (5 * 2));
  sum = sum * squared - broadcast(1.0f / 3);
  sum = sum * squared + one;
  const Vec near = x * sum * broadcast(1.12837917f);
  const Vec t = one / (one + broadcast(0.3275911f) * size);
  Vec tail = broadcast(1.061405429f);
  tail = tail * t - broadcast(1.453152027f);
  tail = tail * t + broadcast(1.421413741f);
  tail = tail * t - broadcast(0.284496736f);
  tail = tail * t + broadcast(0.254829592f);
  const Vec above = one - tail * t * exp(-squared);
  const Vec far = x < Vec{} ? -above : above;
  return size < one ? near : far;
}

}  // namespace zeroskip::ZS_ISA
