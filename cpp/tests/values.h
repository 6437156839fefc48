// What the tests of kernels share: random values, comparison, weights in every storage format.
#pragma once

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/registry.h"
#include "ops/packed_weights.h"

namespace zeroskip::testing {

using Floats = std::vector<float>;

inline constexpr float kTolerance = 2e-5f;

class Random {
 public:
  Floats values(size_t count, double sparsity = 0.0) {
    Floats result(count);
    for (float& value : result)
      value = unit_(engine_) < sparsity ? 0.0f : static_cast<float>(normal_(engine_));
    return result;
  }

 private:
  std::mt19937 engine_{20260101};
  std::normal_distribution<double> normal_;
  std::uniform_real_distribution<double> unit_;
};

// One in 16 checks where ZEROSKIP_REDUCED_TESTS is set, for emulators; all of them elsewhere.
class Sampler {
 public:
  bool skips() { return is_reduced_ && count_++ % 16 != 0; }

 private:
  bool is_reduced_ = std::getenv("ZEROSKIP_REDUCED_TESTS") != nullptr;
  int count_ = 0;
};

// Calls check(table), which returns a checker, for every instruction set this CPU runs and the kernels compiled for it, and
// prints a line for each that has any to check. Returns how many checks failed.
template <typename Check>
int check_every_isa(const Check& check) {
  int failures = 0;
  for (const Isa isa : isas_supported()) {
    const auto checker = check(own_kernels(isa));
    if (checker.checks() == 0) continue;
    std::printf("%s: %d checks, %d failures\n", isa_name(isa), checker.checks(), checker.failures());
    failures += checker.failures();
  }
  return failures;
}

inline bool close(const Floats& got, const Floats& want) {
  for (size_t i = 0; i < got.size(); ++i)
    if (!(std::fabs(got[i] - want[i]) <= kTolerance * (1.0f + std::fabs(want[i])))) return false;
  return true;
}

inline DataType storage_of(const std::string& kernel) {
  if (kernel.find("_bf16w_") != std::string::npos) return DataType::kBf16;
  return kernel.find("_fp16w_") != std::string::npos ? DataType::kFp16 : DataType::kFloat32;
}

// Weights as a kernel reads them, and what those bytes mean by kernels/common/weight_format.h, decoded here
// one by one. The count is a multiple of 32.
class StoredWeights {
 public:
  StoredWeights(const Floats& values, DataType storage, int64_t lanes)
      : packed_(aligned(values), storage, lanes, 1), meaning_(values.size()) {
    for (size_t i = 0; i < values.size(); ++i) meaning_[i] = decode(i, storage, static_cast<size_t>(lanes));
  }
  const std::byte* stored() const { return packed_.at(0); }
  const std::byte* meaning() const { return reinterpret_cast<const std::byte*>(meaning_.data()); }
  const Floats& floats() const { return meaning_; }

 private:
  static AlignedFloats aligned(const Floats& values) {
    AlignedFloats result(values.size());
    std::copy(values.begin(), values.end(), result.data());
    return result;
  }

  template <typename T>
  T read(size_t index) const {
    T value;
    std::memcpy(&value, packed_.at(0) + index * sizeof(T), sizeof(T));
    return value;
  }

  float decode(size_t i, DataType storage, size_t lanes) const {
    if (storage == DataType::kFloat32) return read<float>(i);
    if (storage == DataType::kFp16) {
      const auto bits = read<uint16_t>(i);
      const int exponent = bits >> 10 & 31, fraction = bits & 1023;
      const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                            : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
      return bits >> 15 ? -magnitude : magnitude;
    }
    const auto lane = read<uint32_t>(i / (2 * lanes) * lanes + i % lanes);
    return std::bit_cast<float>(i / lanes % 2 == 0 ? lane << 16 : lane);
  }

  PackedWeights packed_;
  Floats meaning_;
};

}  // namespace zeroskip::testing
